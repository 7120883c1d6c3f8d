// What is on screen? Sidebar, channel or Home, thread pane, modals: each drawn from the store when it changes.

import { listen } from "./api.js";
import { drawMain } from "./channel.js";
import { drawModals } from "./modal.js";
import { closeMenu } from "./popover.js";
import { go, read } from "./route.js";
import { drawSidebar } from "./sidebar.js";
import { channel, markSeen, store, touch, watch } from "./store.js";
import { applyTheme } from "./theme.js";
import { drawThread } from "./threadpane.js";

const LAST = "workspace.who";
const element = (id) => document.getElementById(id);

function draw() {
  if (!store.state) return;
  const room = channel(store.route.channel);
  if (!room) {
    go({ channel: store.state.channels[0].id });
    return;
  }
  if (document.hasFocus() || document.visibilityState === "visible") markSeen(room.id);
  drawSidebar(element("sidebar"));
  drawMain(element("main"), room);
  drawThread(element("thread"), room);
  drawModals(element("overlay"));
  document.title = `${room.is_im ? store.state.bot.name : `#${room.name}`} · ${store.state.team.name}`;
}

function follow() {
  const place = read();
  const who = place.who ?? sessionStorage.getItem(LAST) ?? "alice";
  closeMenu();
  store.route = place;
  if (store.state && [store.state.me, store.state.people[store.state.me]?.name].includes(who)) {
    touch();
    return;
  }
  listen(who, () => {
    sessionStorage.setItem(LAST, store.state.me);
    touch();
  });
}

applyTheme();
watch(draw);
addEventListener("hashchange", follow);
addEventListener("focus", touch);
addEventListener("pointerdown", (event) => {
  if (!element("sidebar").contains(event.target) && !event.target.closest?.(".only-narrow")) document.body.classList.remove("sidebar-open");
});
follow();
