// What does a markdown block mean? The common subset: headings, lists, quotes, code, tables, emphasis, links.

import { h } from "./dom.js";
import { link } from "./text.js";

const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|__([^_\n]+)__|\*([^*\n]+)\*|(?<!\w)_([^_\n]+)_(?!\w)|~~([^~\n]+)~~|\[([^\]\n]+)\]\(([^)\s]+)\)/g;

export function markdown(text) {
  const lines = text.split("\n");
  const nodes = [];
  let at = 0;
  while (at < lines.length) {
    const [node, next] = block(lines, at);
    if (node) nodes.push(node);
    at = next;
  }
  return nodes;
}

function block(lines, at) {
  const line = lines[at];
  if (/^\s*$/.test(line)) return [null, at + 1];
  if (line.startsWith("```")) return fence(lines, at);
  const heading = /^(#{1,6})\s+(.*)$/.exec(line);
  if (heading) return [h(`h${Math.min(heading[1].length + 2, 6)}`, {}, inline(heading[2])), at + 1];
  if (/^(-{3,}|\*{3,})$/.test(line.trim())) return [h("hr"), at + 1];
  if (line.startsWith("|") && /^\|?[\s:|-]+\|?$/.test(lines[at + 1] ?? "")) return table(lines, at);
  if (/^>\s?/.test(line)) return run(lines, at, /^>\s?(.*)$/, (all) => h("blockquote", {}, inline(all.join("\n"))));
  if (/^\s*[-*+]\s+/.test(line)) return run(lines, at, /^\s*[-*+]\s+(.*)$/, (all) => h("ul", {}, all.map(item)));
  if (/^\s*\d+[.)]\s+/.test(line)) return run(lines, at, /^\s*\d+[.)]\s+(.*)$/, (all) => h("ol", {}, all.map(item)));
  return run(lines, at, /^(?!```|#{1,6}\s|>|\s*[-*+]\s|\s*\d+[.)]\s|\s*$)(.*)$/, (all) => h("p", {}, inline(all.join("\n"))));
}

const item = (text) => h("li", {}, inline(text));

function run(lines, at, pattern, build) {
  const all = [];
  for (let match; at < lines.length && (match = pattern.exec(lines[at])); at += 1) all.push(match[1]);
  return all.length ? [build(all), at] : [h("p", {}, inline(lines[at])), at + 1];
}

function fence(lines, at) {
  let end = at + 1;
  while (end < lines.length && !lines[end].startsWith("```")) end += 1;
  return [h("pre", {}, lines.slice(at + 1, end).join("\n")), end + 1];
}

function table(lines, at) {
  const cells = (line) => line.replace(/^\||\|$/g, "").split("|").map((one) => one.trim());
  let end = at + 2;
  while (end < lines.length && lines[end].startsWith("|")) end += 1;
  const head = h("tr", {}, cells(lines[at]).map((one) => h("th", { scope: "col" }, inline(one))));
  const rows = lines.slice(at + 2, end).map((line) => h("tr", {}, cells(line).map((one) => h("td", {}, inline(one)))));
  return [h("div", { class: "table-scroll" }, h("table", {}, h("thead", {}, head), h("tbody", {}, rows))), end];
}

function inline(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, bold, bold2, em, em2, strike, label, url] = match;
    nodes.push(text.slice(end, match.index));
    end = match.index + whole.length;
    if (code) nodes.push(h("code", {}, code));
    else if (bold ?? bold2) nodes.push(h("strong", {}, inline(bold ?? bold2)));
    else if (em ?? em2) nodes.push(h("em", {}, inline(em ?? em2)));
    else if (strike) nodes.push(h("s", {}, inline(strike)));
    else nodes.push(link(url, label));
  }
  nodes.push(text.slice(end));
  return nodes;
}
