// How do menus, confirmations and short notices appear?

import { h } from "./dom.js";
import { textObject, words } from "./text.js";

let open = null;

/** Show a menu beside an anchor. items: [{label, run, danger}] */
export function menu(anchor, label, items) {
  closeMenu();
  const list = h(
    "div",
    { class: "menu", role: "menu", "aria-label": label },
    items.map((item) =>
      h(
        "button",
        {
          class: `menu-item${item.danger ? " danger" : ""}`,
          role: "menuitem",
          type: "button",
          onclick: () => {
            closeMenu();
            item.run();
          },
        },
        item.icon,
        h("span", {}, item.label),
        item.about ? h("small", {}, item.about) : null,
      ),
    ),
  );
  document.body.append(list);
  place(list, anchor);
  open = { list, anchor };
  anchor.setAttribute("aria-expanded", "true");
  list.firstElementChild?.focus();
}

export function closeMenu() {
  if (!open) return;
  open.list.remove();
  open.anchor.setAttribute("aria-expanded", "false");
  open = null;
}

function place(list, anchor) {
  const at = anchor.getBoundingClientRect();
  const size = list.getBoundingClientRect();
  const below = at.bottom + 4 + size.height < innerHeight;
  const left = Math.max(8, Math.min(at.left, innerWidth - size.width - 8));
  list.style.setProperty("left", `${left}px`);
  list.style.setProperty("top", `${below ? at.bottom + 4 : Math.max(8, at.top - size.height - 4)}px`);
}

addEventListener("mousedown", (event) => {
  if (open && !open.list.contains(event.target) && !open.anchor.contains(event.target)) closeMenu();
});
addEventListener("keydown", (event) => {
  if (!open) return;
  if (event.key === "Escape") {
    const { anchor } = open;
    closeMenu();
    anchor.focus();
    event.stopPropagation();
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    const items = [...open.list.children];
    const next = (items.indexOf(document.activeElement) + step + items.length) % items.length;
    items[next].focus();
  }
}, true);

/** A confirm object as a dialog; resolves to whether it was confirmed. */
export function confirmed(object) {
  if (!object) return Promise.resolve(true);
  return new Promise((resolve) => {
    const before = document.activeElement;
    const finish = (answer) => {
      dialog.close();
      dialog.remove();
      before?.focus?.();
      resolve(answer);
    };
    const style = object.style === "danger" ? "danger" : "primary";
    const dialog = h(
      "dialog",
      {
        class: "dialog confirm",
        role: "alertdialog",
        "aria-label": words(object.title),
        oncancel: (event) => {
          event.preventDefault();
          finish(false);
        },
      },
      h("h2", {}, textObject(object.title)),
      h("div", { class: "confirm-text rich" }, textObject(object.text)),
      h(
        "div",
        { class: "dialog-foot" },
        h("button", { class: "button", type: "button", onclick: () => finish(false) }, words(object.deny)),
        h("button", { class: `button ${style}`, type: "button", autofocus: true, onclick: () => finish(true) }, words(object.confirm)),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Say something in passing. */
export function toast(text) {
  if (!text) return;
  const note = h("div", { class: "toast" }, text);
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}

/** A picture at full size. */
export function lightbox(source, alt) {
  const close = () => {
    dialog.close();
    dialog.remove();
  };
  const dialog = h(
    "dialog",
    { class: "lightbox", "aria-label": alt, onclick: close, oncancel: close },
    h("img", { src: source, alt }),
    h("p", {}, alt),
  );
  document.body.append(dialog);
  dialog.showModal();
}
