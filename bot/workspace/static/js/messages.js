// How does a message look? The same article in the channel, in the thread and as a thread's parent.

import { act } from "./api.js";
import { avatar, nameOf } from "./avatar.js";
import { blocks } from "./blocks.js";
import { h, icon, reconcile } from "./dom.js";
import { files } from "./files.js";
import { emoji } from "./emoji.js";
import { menu, toast } from "./popover.js";
import { go } from "./route.js";
import { channel, isApp, isBot, isReply, me, person, store } from "./store.js";
import { clock, emojiNode, mrkdwn, plain } from "./text.js";

const QUICK = ["+1", "white_check_mark", "eyes", "tada", "pray"];
const GROUP_SECONDS = 300;

const at = (ts) => new Date(Number(ts) * 1000);
const dayOf = (ts) => at(ts).toDateString();

export function dayName(ts) {
  const day = at(ts);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(day).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return day.toLocaleDateString(undefined, { weekday: "long", month: "long", day: "numeric" });
}

/** Draw messages into a list, keeping the nodes that did not change. `place`: "channel" or "thread". */
export function drawList(list, room, shown, place) {
  const wanted = [];
  let before = null;
  for (const message of shown) {
    if (place === "channel" && dayOf(message.ts) !== (before && dayOf(before.ts))) {
      const name = dayName(message.ts);
      wanted.push({ key: `day-${dayOf(message.ts)}`, signature: name, build: () => dayLine(name) });
    }
    const grouped = follows(before, message);
    wanted.push({
      key: message.ts,
      signature: JSON.stringify([message, grouped, me(), place]),
      build: () => article(room, message, { grouped, place }),
    });
    before = message;
  }
  reconcile(list, wanted);
}

const dayLine = (name) => h("div", { class: "day", role: "separator" }, h("span", {}, name));

function follows(before, message) {
  return (
    before !== null &&
    before.user === message.user &&
    !before.is_ephemeral &&
    !message.is_ephemeral &&
    message.subtype !== "thread_broadcast" &&
    !before.reply_count &&
    dayOf(before.ts) === dayOf(message.ts) &&
    Number(message.ts) - Number(before.ts) < GROUP_SECONDS
  );
}

export function article(room, message, { grouped = false, place = "channel" } = {}) {
  const time = clock(at(message.ts));
  const kind = [
    "message",
    grouped ? "grouped" : "",
    message.is_ephemeral ? "ephemeral" : "",
    message.text?.includes(`<@${me()}>`) ? "mentions-me" : "",
  ];
  return h(
    "article",
    { class: kind.filter(Boolean).join(" "), "aria-label": `${nameOf(message.user)}, ${time}`, "data-ts": message.ts, tabindex: "-1" },
    message.is_ephemeral ? h("p", { class: "only-you" }, icon("eye"), "Only visible to you") : null,
    message.subtype === "thread_broadcast" && place === "channel" ? broadcastLine(room, message) : null,
    h("div", { class: "gutter" }, grouped ? h("time", { class: "small-time" }, time) : avatar(message.user)),
    h(
      "div",
      { class: "body" },
      grouped ? null : byline(message, time),
      content(room, message),
      files(message.files ?? []),
      reactions(room, message),
      place === "channel" ? summary(room, message) : null,
    ),
    message.is_ephemeral ? null : toolbar(room, message, place),
  );
}

function byline(message, time) {
  const who = person(message.user);
  const badge = isBot(message.user) || message.user === store.state.slackbot ? h("span", { class: "badge" }, "APP") : null;
  const guest = who.is_restricted ? h("span", { class: "badge" }, "GUEST") : null;
  const full = at(message.ts).toLocaleString();
  return h("header", { class: "byline" }, h("strong", {}, nameOf(message.user)), badge, guest, h("time", { title: full }, time));
}

function content(room, message) {
  const surface = { id: `m:${room.id}/${message.ts}`, target: { channel: room.id, ts: message.ts } };
  const edited = message.edited ? h("span", { class: "edited" }, " (edited)") : null;
  const text = message.mrkdwn === false ? plain(message.text ?? "") : mrkdwn(message.text ?? "");
  const body = message.blocks?.length ? h("div", { class: "blocks" }, blocks(message.blocks, surface), edited) : h("div", { class: "rich text" }, text, edited);
  return [message.blocks?.length || message.text ? body : null, (message.attachments ?? []).map((one) => attachment(one, surface))];
}

function attachment(one, surface) {
  const colour = /^#?[0-9a-f]{6}$/i.test(one.color ?? "") ? `#${one.color.replace("#", "")}` : { good: "#2eb67d", warning: "#ecb22e", danger: "#e01e5a" }[one.color];
  const text = [one.pretext, one.title, one.text ?? one.fallback].filter(Boolean);
  return h(
    "div",
    { class: "attachment", style: colour ? { "--bar": colour } : {} },
    one.blocks ? h("div", { class: "blocks" }, blocks(one.blocks, surface)) : text.map((each) => h("div", { class: "rich text" }, mrkdwn(each))),
  );
}

function reactions(room, message) {
  if (!message.reactions?.length) return null;
  return h(
    "div",
    { class: "reactions" },
    message.reactions.map((one) => {
      const who = one.users.map((id) => nameOf(id)).join(", ");
      const press = () => act("react", { channel: room.id, ts: message.ts, name: one.name });
      const label = `${one.name.replaceAll("_", " ")} reaction, ${one.count}: ${who}`;
      const mine = one.users.includes(me());
      return h("button", { class: "reaction", type: "button", "aria-label": label, "aria-pressed": String(mine), title: who, onclick: press }, emojiNode(one.name), h("span", {}, one.count));
    }),
  );
}

function summary(room, message) {
  if (!message.reply_count) return null;
  const count = `${message.reply_count} ${message.reply_count === 1 ? "reply" : "replies"}`;
  const last = `Last reply ${dayName(message.latest_reply).toLowerCase()} at ${clock(at(message.latest_reply))}`;
  return h(
    "button",
    { class: "summary", type: "button", "aria-label": `${count}, view thread`, onclick: () => go({ channel: room.id, thread: message.ts }) },
    h("span", { class: "stack" }, message.reply_users.slice(0, 4).map((id) => avatar(id, "tiny"))),
    h("strong", {}, count),
    h("span", { class: "summary-last" }, last),
    h("span", { class: "summary-view" }, "View thread"),
  );
}

function broadcastLine(room, message) {
  const open = () => go({ channel: room.id, thread: message.thread_ts });
  return h("p", { class: "broadcast" }, "replied to ", h("button", { class: "link", type: "button", onclick: open }, "a thread"));
}

function toolbar(room, message, place) {
  const react = (name) => act("react", { channel: room.id, ts: message.ts, name });
  const quick = QUICK.slice(0, 3).map((name) =>
    h("button", { type: "button", "aria-label": `React with ${name.replaceAll("_", " ")}`, title: `:${name}:`, onclick: () => react(name) }, emoji(name)),
  );
  const reply = () => go({ channel: room.id, thread: isReply(message) ? message.thread_ts : message.ts });
  const shortcuts = store.state.shortcuts.filter((one) => one.kind === "message");
  const more = h("button", { type: "button", "aria-label": "More actions", "aria-haspopup": "menu" }, icon("more"));
  more.addEventListener("click", () =>
    menu(more, "More actions", [
      ...shortcuts.map((one) => ({
        label: one.name,
        about: store.state.bot.name,
        run: async () => toast((await act("shortcut", { channel: room.id, ts: message.ts, callback_id: one.callback_id })).notice),
      })),
      { label: "Copy text", run: () => navigator.clipboard?.writeText(message.text ?? "") },
    ]),
  );
  return h(
    "div",
    { class: "toolbar", role: "toolbar", "aria-label": "Message actions" },
    quick,
    place === "channel" ? h("button", { type: "button", "aria-label": "Reply in thread", title: "Reply in thread", onclick: reply }, icon("thread")) : null,
    more,
  );
}
