// How is something picked from a list that is searched while typing? One combobox for all such selects.

import { h, icon } from "./dom.js";
import { words } from "./text.js";

let serial = 0;

/** options(typed) resolves to option objects; choose(picked, control) is told every change. */
export function picker(cell, { multiple, chosen, options, choose }) {
  const listId = `list-${(serial += 1)}`;
  let picked = [...chosen];
  let shown = [];
  let active = -1;
  let asked = 0;

  const input = h("input", {
    id: cell.id,
    class: "picker-input",
    role: "combobox",
    autocomplete: "off",
    "aria-expanded": "false",
    "aria-controls": listId,
    "aria-label": cell.label ?? words(cell.element.placeholder),
    placeholder: words(cell.element.placeholder) || "Search…",
    "data-action": cell.element.action_id,
  });
  const list = h("div", { class: "picker-list", role: "listbox", id: listId, hidden: true, "aria-label": "Options" });
  const box = h("div", { class: "picker" });

  function draw() {
    const tokens = multiple
      ? picked.map((one) => {
          const remove = () => change(picked.filter((each) => each.value !== one.value));
          const cross = h("button", { type: "button", "aria-label": `Remove ${words(one.text)}`, onclick: remove }, icon("close"));
          return h("span", { class: "token" }, words(one.text), cross);
        })
      : [];
    if (!multiple && document.activeElement !== input) input.value = picked.length ? words(picked[0].text) : "";
    box.replaceChildren(...tokens, input, list);
  }

  function change(next) {
    picked = next;
    draw();
    choose(picked, input);
  }

  function take(one) {
    const has = picked.some((each) => each.value === one.value);
    const next = has ? picked.filter((each) => each.value !== one.value) : [...picked, one];
    input.value = multiple ? "" : words(one.text);
    close();
    change(multiple ? next : [one]);
    input.focus();
  }

  function close() {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  async function search() {
    const turn = (asked += 1);
    const typed = multiple || !picked.length || input.value !== words(picked[0].text) ? input.value : "";
    const found = await options(typed);
    if (turn !== asked || !box.isConnected) return;
    shown = found;
    active = shown.length ? 0 : -1;
    const rows = shown.map((one, index) => {
      const selected = picked.some((each) => each.value === one.value);
      const press = (event) => {
        event.preventDefault();
        take(one);
      };
      return h("div", { class: "picker-option", role: "option", id: `${listId}-${index}`, "aria-selected": String(selected), onmousedown: press }, words(one.text), selected ? icon("check") : null);
    });
    list.replaceChildren(...(rows.length ? rows : [h("div", { class: "picker-none" }, "No matches")]));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    highlight();
  }

  function highlight() {
    [...list.children].forEach((row, index) => row.classList.toggle("active", index === active));
    if (active >= 0) input.setAttribute("aria-activedescendant", `${listId}-${active}`);
    list.children[active]?.scrollIntoView({ block: "nearest" });
  }

  input.addEventListener("input", search);
  input.addEventListener("focus", () => {
    if (list.hidden && !cell.element.type.includes("external")) search();
  });
  input.addEventListener("blur", () => {
    close();
    draw();
  });
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && shown.length) {
      event.preventDefault();
      active = (active + step + shown.length) % shown.length;
      highlight();
    } else if (event.key === "Enter" && !list.hidden && active >= 0) {
      event.preventDefault();
      take(shown[active]);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === "Backspace" && multiple && !input.value && picked.length) {
      change(picked.slice(0, -1));
    }
  });
  draw();
  return box;
}
