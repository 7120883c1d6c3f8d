// How does somebody write? Enter sends, / completes commands, @ completes people.

import { act } from "./api.js";
import { avatar } from "./avatar.js";
import { h, icon } from "./dom.js";
import { toast } from "./popover.js";
import { store } from "./store.js";

/** A composer for a channel, or for a thread in it. */
export function composer(room, thread, label) {
  const key = `${store.state.me}/${room.id}/${thread ?? ""}`;
  const listId = `complete-${thread ? "thread" : "channel"}`;
  let found = [];
  let active = 0;

  const area = h("textarea", {
    class: "composer-text",
    rows: 1,
    "aria-label": label,
    placeholder: label,
    "aria-autocomplete": "list",
    "aria-controls": listId,
    value: store.drafts.get(key) ?? "",
  });
  const popup = h("div", { class: "complete", role: "listbox", id: listId, hidden: true });
  const hint = h("div", { class: "usage", role: "status", hidden: true });
  const sendButton = h("button", { class: "send", type: "submit", "aria-label": "Send", title: "Send (Enter)" }, icon("send"));
  const keys = h("span", { class: "keys" }, h("kbd", {}, "Enter"), " to send · ", h("kbd", {}, "Shift+Enter"), " for a new line", thread ? null : [" · ", h("kbd", {}, "/"), " for commands"]);
  const form = h("form", { class: "composer", autocomplete: "off" }, popup, hint, area, h("div", { class: "composer-foot" }, keys, sendButton));

  function changed() {
    store.drafts.set(key, area.value);
    area.style.setProperty("height", "auto");
    area.style.setProperty("height", `${Math.min(area.scrollHeight, 220)}px`);
    sendButton.classList.toggle("ready", area.value.trim() !== "");
    complete();
    usage();
  }

  function usage() {
    const word = area.value.split(/\s/, 1)[0];
    const command = /\s/.test(area.value) && store.state.commands.find((one) => one.command === word);
    hint.hidden = !command;
    if (command) hint.replaceChildren(h("strong", {}, command.command), " ", h("span", {}, command.usage_hint));
  }

  function complete() {
    const [kind, word] = pending(area);
    found = kind === "/" ? commands(word) : kind === "@" ? people(word) : [];
    active = 0;
    draw(kind);
  }

  function draw(kind) {
    popup.hidden = found.length === 0;
    popup.setAttribute("aria-label", kind === "/" ? "Commands" : "People");
    const head = kind === "/" ? "Commands" : "People";
    const rows = found.map((one, index) =>
      h(
        "div",
        { class: `complete-row${index === active ? " active" : ""}`, role: "option", id: `${listId}-${index}`, "aria-selected": String(index === active), onmousedown: (event) => take(event, index) },
        avatar(one.avatar, "tiny"),
        h("strong", {}, one.label),
        h("span", { class: "complete-hint" }, one.hint),
        h("small", {}, one.about),
      ),
    );
    popup.replaceChildren(h("div", { class: "complete-head", "aria-hidden": "true" }, head), ...rows);
    if (found.length) area.setAttribute("aria-activedescendant", `${listId}-${active}`);
    else area.removeAttribute("aria-activedescendant");
  }

  function take(event, index) {
    event.preventDefault();
    const [kind, word, start] = pending(area);
    const end = start + kind.length + word.length;
    area.setRangeText(`${found[index].insert} `, start, end, "end");
    changed();
    area.focus();
  }

  /** Whether what stands at the caret is already what completion would put there. */
  function isComplete() {
    const [kind, word] = pending(area);
    return kind + word === found[active].insert;
  }

  async function send() {
    const text = area.value.trim();
    if (!text) return;
    area.value = "";
    changed();
    const answer = await act("say", { channel: room.id, text, thread_ts: thread });
    // Refusals of commands are shown by Slackbot in the channel; others need a word here.
    if (!answer.ok && !text.startsWith("/")) {
      toast(answer.notice);
      area.value = text;
      changed();
    }
  }

  area.addEventListener("input", changed);
  area.addEventListener("blur", () => {
    popup.hidden = true;
  });
  area.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !popup.hidden && found.length > 0;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (open && step) {
      event.preventDefault();
      active = (active + step + found.length) % found.length;
      draw(pending(area)[0]);
    } else if (open && event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      found = [];
      draw("");
    } else if (open && (event.key === "Tab" || (event.key === "Enter" && !isComplete()))) {
      take(event, active);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  queueMicrotask(changed);
  return form;
}

/** What is being typed at the caret: ["/" or "@" or "", the word after it, where it begins]. */
function pending(area) {
  const before = area.value.slice(0, area.selectionStart);
  const command = /^\/(\S*)$/.exec(before);
  if (command) return ["/", command[1], 0];
  const person = /(?:^|\s)@([\w.-]*)$/.exec(before);
  if (person) return ["@", person[1], before.length - person[1].length - 1];
  return ["", "", 0];
}

function commands(word) {
  const invite = { command: "/invite", usage_hint: "@name", description: "Add somebody to this channel" };
  return [...store.state.commands, invite]
    .filter((one) => one.command.startsWith(`/${word}`))
    .slice(0, 8)
    .map((one) => ({
      insert: one.command,
      label: one.command,
      hint: one.usage_hint,
      about: one.description,
      avatar: one === invite ? store.state.slackbot : store.state.bot.id,
    }));
}

function people(word) {
  const wanted = word.toLowerCase();
  return Object.values(store.state.people)
    .filter((one) => one.name.toLowerCase().startsWith(wanted) || one.real_name.toLowerCase().includes(wanted))
    .slice(0, 8)
    .map((one) => ({ insert: `@${one.name}`, label: one.is_bot ? one.name : one.real_name, hint: one.is_bot ? "" : one.name, about: one.is_bot ? "app" : "", avatar: one.id }));
}
