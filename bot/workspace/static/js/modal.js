// Which modals are open, and what happens when one is submitted?

import { act } from "./api.js";
import { avatar } from "./avatar.js";
import { blocks } from "./blocks.js";
import { h, icon } from "./dom.js";
import { heldOf } from "./elements.js";
import { store } from "./store.js";
import { textObject, words } from "./text.js";

let drawn = "";
const errors = new Map(); // view id -> {block_id: words}
const notices = new Map(); // view id -> words

export function drawModals(overlay) {
  const stack = store.state.modals;
  const view = stack.at(-1);
  const signature = view ? `${store.state.me} ${view.id} ${view.hash} ${stack.length} ${JSON.stringify([errors.get(view.id), notices.get(view.id)])}` : "";
  if (signature === drawn) return;
  const focused = document.activeElement?.dataset?.action;
  drawn = signature;
  overlay.querySelector("dialog")?.close();
  if (!view) {
    overlay.replaceChildren();
    return;
  }
  const modal = dialog(view, stack);
  overlay.replaceChildren(modal);
  modal.showModal();
  const again = focused && [...modal.querySelectorAll("[data-action]")].find((one) => one.dataset.action === focused);
  (modal.querySelector("[aria-invalid=true]") ?? again ?? modal.querySelector("input, textarea, select"))?.focus();
}

function dialog(view, stack) {
  const surface = { id: `v:${view.id}`, target: { view: view.id }, errors: errors.get(view.id) };
  const cancel = () => close(view, false);
  const notice = notices.get(view.id);
  const form = h(
    "form",
    { class: "modal-form", novalidate: true },
    h("header", { class: "modal-head" }, avatar(store.state.bot.id, "small"), h("h2", {}, textObject(view.title)), h("button", { class: "round", type: "button", "aria-label": "Close", onclick: () => close(view, true) }, icon("close"))),
    h("div", { class: "modal-body" }, notice ? h("p", { class: "modal-notice", role: "alert" }, icon("warn"), notice) : null, h("div", { class: "blocks" }, blocks(view.blocks, surface))),
    h(
      "footer",
      { class: "dialog-foot" },
      h("span", { class: "modal-by" }, stack.length > 1 ? `${stack.length} of 3 · ` : "", store.state.bot.name),
      h("button", { class: "button", type: "button", onclick: cancel }, words(view.close) || (view.submit ? "Cancel" : "Close")),
      view.submit ? h("button", { class: "button primary", type: "submit", disabled: view.submit_disabled }, h("span", { class: "button-face" }, words(view.submit)), h("span", { class: "spinner", "aria-hidden": "true" })) : null,
    ),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(view, form);
  });
  return h(
    "dialog",
    {
      class: "dialog modal",
      "aria-label": words(view.title),
      oncancel: (event) => {
        event.preventDefault();
        cancel();
      },
    },
    form,
  );
}

async function submit(view, form) {
  const control = form.querySelector("button[type=submit]");
  if (!control || control.getAttribute("aria-busy") === "true") return;
  control.setAttribute("aria-busy", "true");
  const answer = await act("submit", { view: view.id, values: heldOf({ id: `v:${view.id}` }) });
  control.removeAttribute("aria-busy");
  note(view, answer.ok ? {} : answer.errors, answer.ok ? "" : answer.notice);
}

async function close(view, all) {
  note(view, {}, "");
  await act("close", { view: view.id, all });
}

function note(view, faults, said) {
  errors.delete(view.id);
  notices.delete(view.id);
  if (Object.keys(faults ?? {}).length) errors.set(view.id, faults);
  if (said) notices.set(view.id, said);
  drawModals(document.getElementById("overlay"));
}
