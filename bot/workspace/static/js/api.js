// How does the page act and listen? POST /page/act, and one event stream for the person it acts as.

import { dropMessage, putMessage, store, touch } from "./store.js";

/** Do something as the current person. Resolves to {ok, notice, errors, options}; never throws. */
export async function act(name, body = {}) {
  try {
    const answer = await fetch("/page/act", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ act: name, as: store.state.me, ...body }),
    });
    return await answer.json();
  } catch {
    return { ok: false, notice: "The workspace cannot be reached.", errors: {} };
  }
}

const HANDLERS = {
  state(data) {
    store.state = data;
  },
  message({ channel, message }) {
    putMessage(channel, message);
  },
  message_deleted({ channel, ts }) {
    dropMessage(channel, ts);
  },
  channel(room) {
    const at = store.state.channels.findIndex((one) => one.id === room.id);
    if (at >= 0) store.state.channels[at] = room;
    else store.state.channels.push(room);
  },
  modals({ stack }) {
    store.state.modals = stack;
  },
  home({ view }) {
    store.state.home = view;
  },
};

let stream = null;

/** Listen as that person; `ready` is called when their state has arrived. */
export function listen(who, ready) {
  stream?.close();
  stream = new EventSource(`/page/events?as=${encodeURIComponent(who)}`);
  for (const [kind, handle] of Object.entries(HANDLERS)) {
    stream.addEventListener(kind, (event) => {
      handle(JSON.parse(event.data));
      if (kind === "state") ready();
      document.body.dataset.live = "yes";
      touch();
    });
  }
  stream.addEventListener("error", () => {
    document.body.dataset.live = "no";
    touch();
  });
}
