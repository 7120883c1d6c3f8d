// How is somebody recognised at a glance? A coloured square with initials; the bot has its own mark.

import { h, icon } from "./dom.js";
import { isBot, person, store } from "./store.js";

export function avatar(id, size = "") {
  if (isBot(id)) return h("span", { class: `avatar bot ${size}`, "aria-hidden": "true" }, icon("bolt"));
  if (id === store.state.slackbot) return h("span", { class: `avatar slackbot ${size}`, "aria-hidden": "true" }, "S");
  const who = person(id);
  const initials = who.real_name.split(/\s+/).map((word) => word[0]).slice(0, 2).join("").toUpperCase();
  return h("span", { class: `avatar ${size}`, "aria-hidden": "true", style: { "--person": `#${who.color}` } }, initials);
}

export function nameOf(id) {
  if (id === store.state.slackbot) return "Slackbot";
  const who = person(id);
  return isBot(id) ? who.name : who.real_name;
}
