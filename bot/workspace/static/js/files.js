// How do shared files look? Pictures in place, text with its first lines, everything to download.

import { h, icon } from "./dom.js";
import { lightbox } from "./popover.js";

const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const PREVIEW_BYTES = 200_000;
const PREVIEW_LINES = 12;

export function files(list) {
  if (!list.length) return null;
  return h("div", { class: "files" }, list.map(one));
}

function one(file) {
  const at = `/files/${encodeURIComponent(file.id)}`;
  return PICTURES.has(file.mimetype) ? pictured(file, at) : carded(file, at);
}

function pictured(file, at) {
  const alt = file.alt_txt || file.title;
  return h(
    "figure",
    { class: "file-picture" },
    h("figcaption", {}, file.title, " ", download(file, at)),
    h("img", { src: at, alt, loading: "lazy", onclick: () => lightbox(at, alt) }),
  );
}

function carded(file, at) {
  const preview = h("pre", { class: "file-preview", hidden: true });
  const text = file.mimetype.startsWith("text/") || /\.(log|json|ya?ml|txt|conf)$/.test(file.name);
  if (text && file.size <= PREVIEW_BYTES) show(preview, at);
  return h(
    "div",
    { class: "file" },
    h("div", { class: "file-head" }, h("span", { class: "file-icon" }, icon("file")), h("div", { class: "file-words" }, h("strong", {}, file.title), h("small", {}, `${file.filetype.toUpperCase()} · ${size(file.size)}`)), download(file, at)),
    preview,
  );
}

function download(file, at) {
  return h("a", { class: "file-download", href: `${at}?download=1`, download: file.name, "aria-label": `Download ${file.name}`, title: "Download" }, icon("download"));
}

async function show(preview, at) {
  const answer = await fetch(at);
  if (!answer.ok) return;
  const lines = (await answer.text()).split("\n");
  preview.textContent = lines.slice(0, PREVIEW_LINES).join("\n");
  preview.hidden = false;
  if (lines.length <= PREVIEW_LINES) return;
  const more = h("button", { class: "link file-more", type: "button" }, `Show all ${lines.length} lines`);
  more.addEventListener("click", () => {
    preview.textContent = lines.join("\n");
    more.remove();
  });
  preview.after(more);
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
