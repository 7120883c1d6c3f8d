// What does the page know? One state for the person it acts as, kept current by server-sent events.

const seenKey = "workspace.seen";

export const store = {
  state: null, // the server's snapshot
  ephemerals: new Map(), // person -> channel -> [message]; gone with a reload, as on Slack
  held: new Map(), // surface id -> block_id -> action_id -> state entry: what selects and inputs hold
  route: { channel: null, thread: null, tab: null },
  drafts: new Map(),
};

const watchers = new Set();
let scheduled = false;

export function watch(draw) {
  watchers.add(draw);
}

export function touch() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const draw of watchers) draw();
  });
}

export const me = () => store.state.me;
export const person = (id) => store.state.people[id] ?? { id, name: id, real_name: id, color: "888888" };
export const channel = (id) => store.state.channels.find((one) => one.id === id);
export const isBot = (id) => id === store.state.bot.id;
export const isApp = (room) => Boolean(room?.is_im);
export const isMember = (room) => room.members.includes(me());

export function title(room) {
  return room.is_im ? store.state.bot.name : `#${room.name}`;
}

/** Messages of a channel for this person, ephemeral ones among them, in order. */
export function messages(id) {
  const kept = store.state.messages[id] ?? [];
  const own = store.ephemerals.get(me())?.get(id) ?? [];
  return [...kept, ...own].sort((a, b) => (a.ts < b.ts ? -1 : 1));
}

export function isReply(message) {
  return message.thread_ts !== undefined && message.thread_ts !== message.ts;
}

export const inChannel = (id) => messages(id).filter((one) => !isReply(one) || one.subtype === "thread_broadcast");
export const inThread = (id, ts) => messages(id).filter((one) => isReply(one) && one.thread_ts === ts);

export function putMessage(id, message) {
  let list;
  if (message.is_ephemeral) {
    const mine = store.ephemerals.get(me()) ?? new Map();
    store.ephemerals.set(me(), mine);
    list = mine.get(id) ?? [];
    mine.set(id, list);
  } else {
    list = store.state.messages[id] ??= [];
  }
  const at = list.findIndex((one) => one.ts === message.ts);
  if (at >= 0) list[at] = message;
  else list.push(message);
}

export function dropMessage(id, ts) {
  for (const list of [store.state.messages[id], store.ephemerals.get(me())?.get(id)]) {
    const at = list ? list.findIndex((one) => one.ts === ts) : -1;
    if (at >= 0) list.splice(at, 1);
  }
}

// -- unread marks: per person, for as long as this tab lives

const seen = JSON.parse(sessionStorage.getItem(seenKey) ?? "{}");
const started = String(Date.now() / 1000);

export function markSeen(id) {
  const last = messages(id).at(-1)?.ts ?? "0";
  const key = `${me()}/${id}`;
  if (seen[key] === last) return;
  seen[key] = last;
  sessionStorage.setItem(seenKey, JSON.stringify(seen));
}

export function unread(id) {
  const last = seen[`${me()}/${id}`] ?? started;
  return messages(id).filter((one) => one.ts > last && one.user !== me()).length;
}
