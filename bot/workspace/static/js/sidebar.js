// Where can the reader go, and as whom do they act?

import { avatar } from "./avatar.js";
import { act } from "./api.js";
import { h, icon, reconcile } from "./dom.js";
import { toast } from "./popover.js";
import { go } from "./route.js";
import { isMember, me, store, unread } from "./store.js";
import { isDark, themeButton } from "./theme.js";

export function drawSidebar(nav) {
  const { team, channels, bot, people, home_tab: homeTab } = store.state;
  const rooms = channels.filter((one) => !one.is_im);
  const dm = channels.find((one) => one.is_im);
  const humans = Object.values(people).filter((one) => !one.is_bot);
  const part = (key, basis, build) => ({ key, signature: JSON.stringify([me(), isDark(), basis]), build });
  reconcile(nav, [
    part("team", team, () => h("header", { class: "team" }, h("span", { class: "team-mark", "aria-hidden": "true" }, team.name[0]), h("h1", {}, team.name), themeButton())),
    part("places", [channels.map((one) => [one, unread(one.id)]), store.route.channel, Boolean(store.state.home), store.state.shortcuts], () =>
      h(
        "div",
        { class: "places" },
        h("h2", {}, "Channels"),
        h("ul", {}, rooms.map((one) => place(one, one.name, icon("hash")))),
        h("h2", {}, "Apps"),
        h("ul", {}, dm ? place(dm, bot.name, avatar(bot.id, "tiny"), homeTab ? "home" : "messages") : null),
        shortcuts(),
      ),
    ),
    part("acting", [humans, document.body.dataset.live, store.route.channel], () =>
      h(
        "section",
        { class: "acting" },
        h("h2", { id: "acting" }, "Acting as"),
        h("div", { role: "radiogroup", "aria-labelledby": "acting" }, humans.map(who)),
        h("p", { class: "live" }, document.body.dataset.live === "no" ? "Connection lost, trying again…" : "Local workspace · live"),
      ),
    ),
  ]);
}

function place(room, name, mark, tab = null) {
  const current = store.route.channel === room.id;
  const count = current ? 0 : unread(room.id);
  const label = count ? `${name}, ${count} unread` : name;
  return h(
    "li",
    {},
    h(
      "a",
      {
        class: `place${count ? " unread" : ""}${!room.is_im && !isMember(room) ? " away" : ""}`,
        href: `#/as/${me()}/c/${room.id}${tab ? `/${tab}` : ""}`,
        "aria-label": label,
        "aria-current": current ? "page" : null,
        onclick: () => document.body.classList.remove("sidebar-open"),
      },
      mark,
      h("span", { class: "place-name" }, name),
      count ? h("span", { class: "count" }, count) : null,
    ),
  );
}

function who(one) {
  const mine = one.id === me();
  return h(
    "button",
    {
      class: "who",
      type: "button",
      role: "radio",
      "aria-checked": String(mine),
      "aria-label": one.is_restricted ? `${one.real_name} (guest)` : one.real_name,
      onclick: () => go({ who: one.id, channel: store.route.channel }),
    },
    avatar(one.id, "tiny"),
    h("span", {}, one.real_name),
    one.is_restricted ? h("span", { class: "badge" }, "GUEST") : null,
    mine ? icon("check") : null,
  );
}

function shortcuts() {
  const global = store.state.shortcuts.filter((one) => one.kind === "global");
  if (!global.length) return null;
  const run = async (one) => toast((await act("shortcut", { callback_id: one.callback_id })).notice);
  return [
    h("h2", {}, "Shortcuts"),
    h("ul", {}, global.map((one) => h("li", {}, h("button", { class: "place", type: "button", onclick: () => run(one) }, icon("bolt"), h("span", { class: "place-name" }, one.name))))),
  ];
}
