// How do buttons, selects and inputs look, and what do they send? One table, by element type.

import { act } from "./api.js";
import { h, icon } from "./dom.js";
import { picker } from "./picker.js";
import { confirmed, menu } from "./popover.js";
import { store } from "./store.js";
import { textObject, words } from "./text.js";

/** Surface: {id, target: {channel, ts} | {view}}. What its stateful elements hold, by block_id and action_id. */
export function heldOf(surface) {
  if (!store.held.has(surface.id)) store.held.set(surface.id, {});
  return store.held.get(surface.id);
}

const KEYS = {
  static_select: "option", external_select: "option", radio_buttons: "option",
  multi_static_select: "options", multi_external_select: "options", checkboxes: "options",
  users_select: "user", multi_users_select: "users",
  conversations_select: "conversation", multi_conversations_select: "conversations",
  channels_select: "channel", multi_channels_select: "channels",
  datepicker: "date", timepicker: "time", datetimepicker: "date_time",
};
const keyOf = (type) => (type in KEYS ? `selected_${KEYS[type]}` : "value");
const initialOf = (element) => element[type2initial(element.type)];
const type2initial = (type) => (type in KEYS ? `initial_${KEYS[type]}` : "initial_value");

export function held(cell) {
  const entry = heldOf(cell.surface)[cell.block.block_id]?.[cell.element.action_id];
  return entry ? entry[keyOf(cell.element.type)] : initialOf(cell.element);
}

function hold(cell, value) {
  const block = (heldOf(cell.surface)[cell.block.block_id] ??= {});
  block[cell.element.action_id] = { type: cell.element.type, [keyOf(cell.element.type)]: value };
}

/** Hold a value and, where the element is to tell the app, tell it. */
async function chose(cell, control, value) {
  const before = held(cell);
  hold(cell, value);
  if (!cell.dispatch) return;
  if (!(await confirmed(cell.element.confirm))) {
    hold(cell, before);
    return;
  }
  await send(cell, control, { [keyOf(cell.element.type)]: value });
}

/** One click: busy until the app acknowledged, a warning beside it when it did not. */
export async function send(cell, control, chosen) {
  control.setAttribute("aria-busy", "true");
  const row = control.closest(".block-actions") ?? control.parentElement;
  row.querySelector(".unanswered")?.remove();
  const answer = await act("click", {
    ...cell.surface.target,
    block_id: cell.block.block_id,
    action_id: cell.element.action_id,
    chosen,
    values: heldOf(cell.surface),
  });
  control.removeAttribute("aria-busy");
  if (!answer.ok) row.append(h("span", { class: "unanswered", role: "alert" }, icon("warn"), answer.notice));
}

function button(cell) {
  const { element } = cell;
  const style = element.style ? ` ${element.style}` : "";
  const face = [h("span", { class: "button-face" }, textObject(element.text)), h("span", { class: "spinner", "aria-hidden": "true" })];
  const label = element.accessibility_label;
  const control = h("button", { class: `button${style}`, type: "button", "aria-label": label, "data-action": element.action_id }, face);
  control.addEventListener("click", async () => {
    if (control.getAttribute("aria-busy") === "true" || !(await confirmed(element.confirm))) return;
    if (element.url) window.open(new URL(element.url).href, "_blank", "noopener");
    await send(cell, control, {});
  });
  return control;
}

function overflow(cell) {
  const { element } = cell;
  const control = h("button", { class: "button overflow", type: "button", "aria-label": "More options", "aria-haspopup": "menu" }, icon("more"));
  control.addEventListener("click", () => {
    const items = element.options.map((one) => ({
      label: words(one.text),
      about: words(one.description),
      run: async () => {
        if (await confirmed(element.confirm)) await send(cell, control, { selected_option: one });
      },
    }));
    menu(control, "More options", items);
  });
  return control;
}

const optionsOf = (element) => [...(element.options ?? []), ...(element.option_groups ?? []).flatMap((group) => group.options)];

function staticSelect(cell) {
  const { element } = cell;
  const current = held(cell)?.value;
  const entry = (one) => h("option", { value: one.value, selected: one.value === current }, words(one.text));
  const groups = (element.option_groups ?? []).map((group) => h("optgroup", { label: words(group.label) }, group.options.map(entry)));
  const hint = h("option", { value: "", selected: current === undefined, disabled: !cell.optional }, words(element.placeholder) || "Choose…");
  const control = h(
    "select",
    { id: cell.id, class: "select", "aria-label": cell.label ?? words(element.placeholder), "data-action": element.action_id },
    hint,
    (element.options ?? []).map(entry),
    groups,
  );
  control.addEventListener("change", () => {
    const picked = optionsOf(element).find((one) => one.value === control.value) ?? null;
    chose(cell, control, picked);
  });
  return control;
}

/** Selects over people or conversations are the same list with other entries. */
function listed(entries, multiple) {
  return (cell) => {
    const options = entries().map(({ value, label }) => ({ value, text: { type: "plain_text", text: label } }));
    const ids = [held(cell) ?? []].flat();
    return picker(cell, {
      multiple,
      options: async () => options,
      chosen: options.filter((one) => ids.includes(one.value)),
      choose: (picked, control) => chose(cell, control, multiple ? picked.map((one) => one.value) : (picked[0]?.value ?? null)),
    });
  };
}

const people = () => Object.values(store.state.people).map((one) => ({ value: one.id, label: one.real_name }));
const rooms = () => store.state.channels.filter((one) => !one.is_im).map((one) => ({ value: one.id, label: `#${one.name}` }));

function searched(multiple) {
  return (cell) =>
    picker(cell, {
      multiple,
      chosen: [held(cell) ?? []].flat(),
      options: (typed) => optionsFor(cell, typed),
      choose: (picked, control) => chose(cell, control, multiple ? picked : (picked[0] ?? null)),
    });
}

async function optionsFor(cell, typed) {
  const { element } = cell;
  if (!element.type.includes("external")) {
    return optionsOf(element).filter((one) => words(one.text).toLowerCase().includes(typed.toLowerCase()));
  }
  if (typed.length < (element.min_query_length ?? 3)) return [];
  const where = { ...cell.surface.target, block_id: cell.block.block_id, action_id: element.action_id, value: typed };
  return (await act("suggest", where)).options ?? [];
}

function choices(kind) {
  return (cell) => {
    const { element } = cell;
    const current = [held(cell) ?? []].flat().map((one) => one.value);
    const name = `${cell.surface.id}-${cell.block.block_id}-${element.action_id}`;
    const group = h("div", { class: "choices", role: kind === "radio" ? "radiogroup" : "group", "aria-label": cell.label, id: cell.id });
    for (const one of element.options) {
      const box = h("input", { type: kind, name, value: one.value, checked: current.includes(one.value) });
      box.addEventListener("change", () => {
        const ticked = [...group.querySelectorAll("input:checked")].map((input) => element.options.find((each) => each.value === input.value));
        chose(cell, box, kind === "radio" ? ticked[0] : ticked);
      });
      const about = one.description ? h("small", {}, textObject(one.description)) : null;
      group.append(h("label", { class: "choice" }, box, h("span", {}, textObject(one.text), about)));
    }
    return group;
  };
}

function field(type) {
  return (cell) => {
    const { element } = cell;
    const tag = element.multiline ? "textarea" : "input";
    const control = h(tag, {
      id: cell.id,
      class: "field",
      type: tag === "input" ? type : undefined,
      rows: tag === "textarea" ? 4 : undefined,
      placeholder: words(element.placeholder),
      maxlength: element.max_length,
      min: element.min_value,
      max: element.max_value,
      step: element.is_decimal_allowed ? "any" : undefined,
      "aria-label": cell.label ?? words(element.placeholder),
      "data-action": element.action_id,
      value: held(cell) ?? "",
    });
    control.addEventListener(type === "date" || type === "time" ? "change" : "input", () => {
      hold(cell, control.value === "" ? null : control.value);
      if (type === "date" || type === "time") chose(cell, control, control.value);
    });
    if (cell.dispatch && element.dispatch_action_config) control.addEventListener("change", () => send(cell, control, { value: control.value }));
    return control;
  };
}

const ELEMENTS = {
  button,
  overflow,
  static_select: staticSelect,
  external_select: searched(false),
  multi_static_select: searched(true),
  multi_external_select: searched(true),
  users_select: listed(people, false),
  multi_users_select: listed(people, true),
  channels_select: listed(rooms, false),
  multi_channels_select: listed(rooms, true),
  conversations_select: listed(rooms, false),
  multi_conversations_select: listed(rooms, true),
  checkboxes: choices("checkbox"),
  radio_buttons: choices("radio"),
  plain_text_input: field("text"),
  number_input: field("number"),
  email_text_input: field("email"),
  url_text_input: field("url"),
  datepicker: field("date"),
  timepicker: field("time"),
};

/** cell: {surface, block, element, label, id, dispatch, optional} */
export function interactive(cell) {
  const build = ELEMENTS[cell.element.type];
  return build ? build(cell) : h("span", { class: "unsupported" }, `[${cell.element.type}]`);
}
