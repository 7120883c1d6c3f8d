// What is said in the open thread?

import { composer } from "./composer.js";
import { h, icon } from "./dom.js";
import { article, drawList } from "./messages.js";
import { go } from "./route.js";
import { stick } from "./stick.js";
import { inThread, isMember, me, messages, store, title } from "./store.js";

let drawn = "";

export function drawThread(pane, room) {
  const ts = store.route.thread;
  const parent = ts && messages(room.id).find((one) => one.ts === ts);
  pane.hidden = !parent;
  document.body.classList.toggle("thread-open", Boolean(parent));
  if (!parent) {
    drawn = "";
    pane.replaceChildren();
    return;
  }
  const place = `${me()}/${room.id}/${ts}`;
  if (drawn !== place) {
    pane.replaceChildren(...frame(room, ts));
    stick(pane.querySelector(".thread-scroll"), pane.querySelector(".thread-list"));
    drawn = place;
    pane.querySelector(".composer-text")?.focus();
  }
  const replies = inThread(room.id, ts);
  const top = pane.querySelector(".thread-parent");
  const signature = JSON.stringify([parent, me()]);
  if (top.dataset.signature !== signature) {
    top.replaceChildren(article(room, parent, { place: "thread" }));
    top.dataset.signature = signature;
  }
  const count = replies.filter((one) => !one.is_ephemeral).length;
  pane.querySelector(".thread-count").textContent = count ? `${count} ${count === 1 ? "reply" : "replies"}` : "";
  drawList(pane.querySelector(".thread-replies"), room, replies, "thread");
}

function frame(room, ts) {
  const close = () => go({ channel: room.id, tab: store.route.tab });
  const foot = room.is_im || isMember(room) ? composer(room, ts, "Reply…") : null;
  return [
    h("header", { class: "thread-head" }, h("h2", {}, "Thread"), h("span", { class: "thread-where" }, title(room)), h("button", { class: "round", type: "button", "aria-label": "Close thread", onclick: close }, icon("close"))),
    h(
      "div",
      { class: "thread-scroll" },
      h(
        "div",
        { class: "thread-list" },
        h("div", { class: "thread-parent" }),
        h("div", { class: "thread-line" }, h("span", { class: "thread-count" }), h("hr")),
        h("div", { class: "thread-replies", role: "log", "aria-label": "Replies" }),
      ),
    ),
    foot,
  ];
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && store.route.thread && !event.defaultPrevented && !document.querySelector("dialog[open]")) {
    go({ channel: store.route.channel, tab: store.route.tab });
  }
});
