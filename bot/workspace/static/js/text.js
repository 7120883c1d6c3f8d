// What does mrkdwn mean? Text to nodes; what a host printed stays text, whatever it contains.

import { h } from "./dom.js";
import { EMOJI, emoji } from "./emoji.js";
import { store } from "./store.js";

const TOKEN = new RegExp(
  [
    "```(?<pre>[\\s\\S]+?)```",
    "`(?<code>[^`\\n]+)`",
    "<(?<angle>[^<>\\n]+)>",
    "(?<![\\p{L}\\p{N}*])\\*(?<bold>[^\\s*](?:[^*\\n]*[^\\s*])?)\\*(?![\\p{L}\\p{N}*])",
    "(?<![\\p{L}\\p{N}_])_(?<italic>[^\\s_](?:[^_\\n]*[^\\s_])?)_(?![\\p{L}\\p{N}_])",
    "(?<![\\p{L}\\p{N}~])~(?<strike>[^\\s~](?:[^~\\n]*[^\\s~])?)~(?![\\p{L}\\p{N}~])",
    ":(?<emoji>[a-z0-9_+-]+):",
  ].join("|"),
  "gu",
);
const TAGS = { bold: "strong", italic: "em", strike: "s" };

export const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** The nodes of a mrkdwn text: code blocks are cut out first (their lines may look like quotes), then quotes, then marks. */
export function mrkdwn(text) {
  const pieces = text.split(/\n?(```[\s\S]+?```)\n?/);
  return pieces.flatMap((piece, index) => (index % 2 ? inline(piece) : quoted(piece)));
}

function quoted(text) {
  if (!text) return [];
  const nodes = [];
  let lines = [];
  let inQuote = false;
  const flush = () => {
    if (!lines.length) return;
    const content = inline(lines.join("\n"));
    nodes.push(...(inQuote ? [h("blockquote", {}, content)] : content));
    lines = [];
  };
  for (const line of text.split("\n")) {
    const quote = /^(?:&gt;|>) ?(.*)$/.exec(line);
    if (Boolean(quote) !== inQuote) {
      flush();
      inQuote = Boolean(quote);
    }
    lines.push(quote ? quote[1] : line);
  }
  flush();
  return nodes;
}

function inline(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const node = token(match.groups);
    if (node === null) continue;
    if (match.index > end) nodes.push(unescape(text.slice(end, match.index)));
    nodes.push(node);
    end = match.index + match[0].length;
  }
  if (end < text.length) nodes.push(unescape(text.slice(end)));
  return nodes;
}

function token(groups) {
  if (groups.pre !== undefined) return h("pre", {}, unescape(groups.pre.replace(/^\n|\n$/g, "")));
  if (groups.code !== undefined) return h("code", {}, unescape(groups.code));
  if (groups.angle !== undefined) return angle(groups.angle);
  if (groups.emoji !== undefined) return groups.emoji in EMOJI ? emojiNode(groups.emoji) : null;
  for (const [name, tag] of Object.entries(TAGS)) {
    if (groups[name] !== undefined) return h(tag, {}, inline(groups[name]));
  }
  return null;
}

/** <url|label>, <@U…>, <#C…>, <!here>, <!subteam^S…>, <!date^…>; anything else is shown as it stands. */
function angle(body) {
  const [target, label] = split(body);
  if (target.startsWith("@")) return userMention(target.slice(1));
  if (target.startsWith("#")) return channelMention(target.slice(1), label);
  if (target.startsWith("!subteam^")) return groupMention(target.slice(9), label);
  if (target.startsWith("!date^")) return dateNode(target.split("^"), label);
  if (target.startsWith("!")) return h("span", { class: "mention" }, `@${target.slice(1)}`);
  return link(unescape(target), label === undefined ? undefined : unescape(label));
}

function split(body) {
  const bar = body.indexOf("|");
  return bar < 0 ? [body, undefined] : [body.slice(0, bar), body.slice(bar + 1)];
}

export function emojiNode(name) {
  return h("span", { class: "emoji", role: "img", "aria-label": name.replaceAll("_", " "), title: `:${name}:` }, emoji(name));
}

/** A link, if it leads where links may lead; else the text alone. */
export function link(url, label) {
  let safe;
  try {
    safe = new URL(url);
  } catch {
    return document.createTextNode(label ?? url);
  }
  if (!["http:", "https:", "mailto:"].includes(safe.protocol)) return document.createTextNode(label ?? url);
  const own = safe.origin === location.origin;
  const outside = own ? {} : { target: "_blank", rel: "noopener noreferrer" };
  return h("a", { href: safe.href, title: safe.href, ...outside }, label ?? url);
}

export function userMention(id) {
  const who = store.state.people[id];
  const mine = id === store.state.me ? " mention-me" : "";
  return h("span", { class: `mention${mine}`, title: who?.real_name }, `@${who?.name ?? id}`);
}

export function channelMention(id, label) {
  const room = store.state.channels.find((one) => one.id === id);
  const name = room?.name ?? label ?? id;
  return room ? h("a", { class: "mention", href: `#/c/${id}` }, `#${name}`) : h("span", { class: "mention" }, `#${name}`);
}

export function groupMention(id, label) {
  return h("span", { class: "mention" }, label ?? `@${store.state.groups[id]?.handle ?? id}`);
}

function dateNode([, seconds, format], fallback) {
  return h("time", {}, dated(Number(seconds), format ?? "{date_short} {time}") ?? fallback ?? "");
}

/** Slack's date tokens, in the reader's own time. */
export function dated(seconds, format) {
  const at = new Date(seconds * 1000);
  if (Number.isNaN(at.getTime())) return null;
  const day = (style) => at.toLocaleDateString(undefined, style);
  const tokens = {
    date_num: () => at.toISOString().slice(0, 10),
    date: () => day({ month: "long", day: "numeric", year: "numeric" }),
    date_short: () => day({ month: "short", day: "numeric", year: "numeric" }),
    date_long: () => day({ weekday: "long", month: "long", day: "numeric", year: "numeric" }),
    time: () => clock(at),
    time_secs: () => at.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" }),
  };
  return format.replace(/\{(\w+?)(_pretty)?\}/g, (whole, name) => tokens[name]?.() ?? whole);
}

export const clock = (at) => at.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });

/** A composition object: plain_text shows emoji names only; mrkdwn is marked up. */
export function textObject(object) {
  if (!object) return [];
  return object.type === "mrkdwn" ? mrkdwn(object.text) : plain(object.text);
}

export function plain(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(/:([a-z0-9_+-]+):/g)) {
    if (!(match[1] in EMOJI)) continue;
    nodes.push(unescape(text.slice(end, match.index)), emojiNode(match[1]));
    end = match.index + match[0].length;
  }
  nodes.push(unescape(text.slice(end)));
  return nodes;
}

/** The words of a text object, for labels that assistive technology reads. */
export const words = (object) => unescape(object?.text ?? "");
