// Light or dark? The system's choice, until the reader makes their own.

import { h, icon } from "./dom.js";
import { touch } from "./store.js";

const KEY = "workspace.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export const isDark = () => (localStorage.getItem(KEY) ?? (system.matches ? "dark" : "light")) === "dark";

export function applyTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
}

system.addEventListener("change", () => {
  applyTheme();
  touch();
});

export function themeButton() {
  const flip = () => {
    localStorage.setItem(KEY, isDark() ? "light" : "dark");
    applyTheme();
    touch();
  };
  const label = isDark() ? "Switch to light theme" : "Switch to dark theme";
  return h("button", { class: "round", type: "button", "aria-label": label, title: label, onclick: flip }, icon(isDark() ? "sun" : "moon"));
}
