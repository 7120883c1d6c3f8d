// How does each block look? One table from block type to nodes; text goes through text.js only.

import { h, icon } from "./dom.js";
import { interactive } from "./elements.js";
import { markdown } from "./markdown.js";
import { lightbox } from "./popover.js";
import { channelMention, dated, emojiNode, groupMention, link, plain, textObject, userMention, words } from "./text.js";

/** surface: {id, target, errors?}. Blocks that this page does not know are named, never dropped in silence. */
export function blocks(list, surface) {
  return list.map((block) => {
    const build = BLOCKS[block.type];
    const body = build ? build(block, surface) : unknown(block);
    body.classList.add("block", `block-${block.type}`);
    return body;
  });
}

const unknown = (block) => h("div", { class: "unsupported" }, `[${block.type} block]`);

function element(block, one, surface) {
  if (one.type === "image") return picture(one, "accessory-image");
  if (one.type === "mrkdwn" || one.type === "plain_text") return h("span", { class: "rich" }, textObject(one));
  return interactive({ surface, block, element: one, dispatch: true });
}

function section(block, surface) {
  const fields = block.fields?.map((one) => h("div", { class: "section-field rich" }, textObject(one)));
  const body = h(
    "div",
    { class: "section-body" },
    block.text ? h("div", { class: "section-text rich" }, textObject(block.text)) : null,
    fields ? h("div", { class: "section-fields" }, fields) : null,
  );
  const aside = block.accessory ? h("div", { class: "section-accessory" }, element(block, block.accessory, surface)) : null;
  return h("div", {}, body, aside);
}

function input(block, surface) {
  const id = `${surface.id}-${block.block_id}`.replaceAll(/[^\w-]/g, "_");
  const label = words(block.label);
  const error = surface.errors?.[block.block_id];
  const control = interactive({
    surface,
    block,
    element: block.element,
    label,
    id,
    dispatch: Boolean(block.dispatch_action),
    optional: block.optional,
  });
  if (error) control.setAttribute("aria-invalid", "true");
  return h(
    "div",
    { class: error ? "invalid" : "" },
    h("label", { class: "input-label", for: id }, textObject(block.label), block.optional ? h("span", { class: "optional" }, " (optional)") : null),
    control,
    error ? h("p", { class: "input-error", role: "alert" }, icon("warn"), error) : null,
    block.hint ? h("p", { class: "input-hint" }, textObject(block.hint)) : null,
  );
}

/** Where a picture's bytes are on this server; pictures from elsewhere are named, not loaded. */
function source(one) {
  if (one.slack_file?.id) return `/files/${encodeURIComponent(one.slack_file.id)}`;
  try {
    const url = new URL(one.image_url ?? one.slack_file?.url, location.href);
    return url.origin === location.origin ? url.pathname + url.search : null;
  } catch {
    return null;
  }
}

function picture(one, kind) {
  const at = source(one);
  const alt = one.alt_text ?? "";
  if (at === null) return h("span", { class: "picture-away" }, icon("eye"), one.image_url ? link(one.image_url, alt || "picture") : alt);
  return h("img", { class: kind, src: at, alt, loading: "lazy", onclick: () => lightbox(at, alt) });
}

function image(block) {
  return h("figure", {}, block.title ? h("figcaption", {}, textObject(block.title)) : null, picture(block, "image-full"));
}

const MARKS = { bold: "strong", italic: "em", strike: "s", code: "code", underline: "u" };

function inline(one) {
  let node = INLINE[one.type] ? INLINE[one.type](one) : document.createTextNode(`[${one.type}]`);
  for (const [mark, tag] of Object.entries(MARKS)) if (one.style?.[mark]) node = h(tag, {}, node);
  return node;
}

const INLINE = {
  text: (one) => document.createTextNode(one.text),
  link: (one) => link(one.url, one.text),
  emoji: (one) => emojiNode(one.name),
  user: (one) => userMention(one.user_id),
  channel: (one) => channelMention(one.channel_id),
  usergroup: (one) => groupMention(one.usergroup_id),
  broadcast: (one) => h("span", { class: "mention" }, `@${one.range}`),
  date: (one) => h("time", {}, dated(one.timestamp, one.format) ?? one.fallback ?? ""),
  color: (one) => h("code", {}, one.value),
};

const RICH = {
  rich_text_section: (one) => h("div", { class: "rich-line" }, one.elements.map(inline)),
  rich_text_quote: (one) => h("blockquote", {}, one.elements.map(inline)),
  rich_text_preformatted: (one) => h("pre", {}, one.elements.map(inline)),
  rich_text_list: (one) =>
    h(
      one.style === "ordered" ? "ol" : "ul",
      { class: `indent-${Math.min(one.indent ?? 0, 8)}`, start: one.offset ? one.offset + 1 : undefined },
      one.elements.map((each) => h("li", {}, each.elements.map(inline))),
    ),
};

const richText = (block) => h("div", { class: "rich" }, block.elements.map((one) => RICH[one.type]?.(one) ?? unknown(one)));

const CELLS = {
  raw_text: (one) => document.createTextNode(one.text),
  raw_number: (one) => document.createTextNode(one.text ?? String(one.value)),
  rich_text: richText,
};

function table(block) {
  const settings = block.column_settings ?? [];
  const cell = (tag) => (one, index) => {
    const { align, is_wrapped: wrapped } = settings[index] ?? {};
    const right = align ?? (one?.type === "raw_number" ? "right" : "left");
    return h(tag, { class: `${right}${wrapped ? " wrapped" : ""}`, scope: tag === "th" ? "col" : undefined }, one ? CELLS[one.type]?.(one) : "");
  };
  const [head, ...rows] = block.rows;
  return h(
    "div",
    { class: "table-scroll" },
    h("table", {}, h("thead", {}, h("tr", {}, head.map(cell("th")))), h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell("td")))))),
  );
}

const LEVELS = { info: "eye", warning: "warn", error: "warn", success: "check" };

const BLOCKS = {
  section,
  input,
  image,
  table,
  rich_text: richText,
  header: (block) => h("h3", {}, plain(block.text.text)),
  divider: () => h("hr"),
  context: (block, surface) => h("div", {}, block.elements.map((one) => element(block, { ...one, small: true }, surface))),
  actions: (block, surface) => h("div", {}, block.elements.map((one) => element(block, one, surface))),
  markdown: (block) => h("div", { class: "rich markdown" }, markdown(block.text)),
  file: (block) => h("div", { class: "picture-away" }, icon("file"), block.external_id),
  video: (block) => h("div", { class: "picture-away" }, icon("file"), link(block.title_url ?? block.video_url, words(block.title))),
  alert: (block) => h("div", { class: `alert ${block.level ?? "default"}`, role: "note" }, icon(LEVELS[block.level] ?? "bolt"), h("div", { class: "rich" }, textObject(block.text))),
};
