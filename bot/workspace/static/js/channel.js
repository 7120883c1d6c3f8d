// What stands in the middle: a channel's messages, or the app's Home?

import { act } from "./api.js";
import { avatar } from "./avatar.js";
import { blocks } from "./blocks.js";
import { composer } from "./composer.js";
import { h, icon, reconcile } from "./dom.js";
import { drawList } from "./messages.js";
import { go } from "./route.js";
import { stick } from "./stick.js";
import { inChannel, isMember, me, store, title } from "./store.js";

const NARROW = 760; // pixels, as in layout.css; there a focus would open the keyboard

let drawn = ""; // whose and which channel is on screen
let opened = ""; // whose Home was opened last, so that the app is told once

export function drawMain(main, room) {
  const tab = room.is_im && store.state.home_tab ? (store.route.tab ?? "home") : "messages";
  const place = `${me()}/${room.id}/${tab}`;
  if (drawn !== place) {
    main.replaceChildren(...(tab === "home" ? homeFrame(room) : channelFrame(room)));
    drawn = place;
    if (innerWidth > NARROW && !document.querySelector("dialog[open]")) main.querySelector(".composer-text")?.focus();
    if (room.is_im && opened !== place) act("home", { tab });
    opened = place;
  }
  reconcile(main.querySelector(".room-top"), [{ key: "head", signature: JSON.stringify([room, tab, me()]), build: () => head(room, tab) }]);
  if (tab === "home") drawHome(main.querySelector(".home"));
  else fill(main.querySelector(".message-list"), room);
}

function channelFrame(room) {
  const list = h("div", { class: "messages", role: "log", "aria-label": `Messages in ${title(room)}`, tabindex: "0" }, h("div", { class: "message-list" }));
  stick(list, list.firstElementChild);
  const label = `Message ${title(room)}`;
  const foot = outside(room) ? h("p", { class: "outside" }, outside(room)) : composer(room, null, label);
  return [h("div", { class: "room-top" }), list, foot];
}

/** Why nobody can write here, if so. */
function outside(room) {
  if (room.is_im) return store.state.messages_read_only || !store.state.messages_tab ? "Sending messages to this app has been turned off." : "";
  return isMember(room) ? "" : `You are not in ${title(room)}.`;
}

function homeFrame() {
  return [h("div", { class: "room-top" }), h("div", { class: "home", role: "region", "aria-label": "App Home" })];
}

function head(room, tab) {
  const menuButton = h("button", { class: "round only-narrow", type: "button", "aria-label": "Open the sidebar", onclick: () => document.body.classList.toggle("sidebar-open") }, icon("menu"));
  const name = room.is_im ? [avatar(store.state.bot.id, "small"), h("h2", {}, store.state.bot.name), h("span", { class: "badge" }, "APP")] : [icon("hash"), h("h2", {}, room.name)];
  return h("header", { class: "room-head" }, h("div", { class: "room-line" }, menuButton, name, room.is_im ? null : h("span", { class: "topic" }, room.topic?.value), members(room), acting()), room.is_im && store.state.home_tab ? tabs(room, tab) : null);
}

function members(room) {
  if (room.is_im) return null;
  const bot = store.state.bot;
  const here = room.members.includes(bot.id);
  const label = `${room.members.length} members${here ? "" : `; ${bot.name} is not in this channel`}`;
  return h("span", { class: "members", title: label, "aria-label": label, role: "img" }, h("span", { class: "stack" }, room.members.slice(0, 3).map((id) => avatar(id, "tiny"))), h("span", {}, room.members.length));
}

function acting() {
  return h("span", { class: "acting-chip", title: "You act as this person" }, avatar(me(), "tiny"), h("span", {}, store.state.people[me()].real_name));
}

function tabs(room, tab) {
  const one = (name, label) =>
    h("button", { class: "tab", type: "button", role: "tab", "aria-selected": String(tab === name), onclick: () => go({ channel: room.id, tab: name }) }, label);
  return h("div", { class: "tabs", role: "tablist" }, one("home", "Home"), store.state.messages_tab ? one("messages", "Messages") : null);
}

function fill(list, room) {
  const shown = inChannel(room.id);
  if (shown.length) {
    list.querySelector(".empty")?.remove();
    drawList(list, room, shown, "channel");
  } else {
    list.replaceChildren(empty(room));
  }
}

function empty(room) {
  const bot = store.state.bot;
  const command = store.state.commands[0]?.command ?? "/";
  if (room.is_im) return h("div", { class: "empty" }, avatar(bot.id, "large"), h("h3", {}, `This is ${bot.name}`), h("p", {}, bot.description || "Say something to the app, or type a command."));
  const here = room.members.includes(bot.id);
  return h(
    "div",
    { class: "empty" },
    h("span", { class: "empty-mark" }, icon("hash")),
    h("h3", {}, `This is the beginning of #${room.name}`),
    h("p", {}, here ? ["Type ", h("code", {}, command), " to begin, or mention ", h("span", { class: "mention" }, `@${bot.name}`), "."] : [`${bot.name} is not here yet: `, h("code", {}, `/invite @${bot.name}`), " adds it."]),
  );
}

function drawHome(home) {
  const view = store.state.home;
  if (!view) {
    home.replaceChildren(h("div", { class: "empty" }, avatar(store.state.bot.id, "large"), h("h3", {}, "Nothing here yet"), h("p", {}, `${store.state.bot.name} has not published a Home for you.`)));
    return;
  }
  const surface = { id: `v:${view.id}`, target: { view: view.id } };
  const body = { key: view.id, signature: `${me()} ${view.hash}`, build: () => h("div", { class: "blocks home-blocks" }, blocks(view.blocks, surface)) };
  home.querySelector(".empty")?.remove();
  reconcile(home, [body]);
}
