// Where is the reader? In the address: #/as/alice/c/C0NETOPS/1767326125.870439

import { store, touch } from "./store.js";

export function read() {
  const words = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const place = { who: null, channel: null, thread: null, tab: null };
  for (let at = 0; at < words.length; at += 1) {
    if (words[at] === "as") place.who = words[(at += 1)];
    else if (words[at] === "c") place.channel = words[(at += 1)];
    else if (words[at] === "home" || words[at] === "messages") place.tab = words[at];
    else if (/^\d+\.\d+$/.test(words[at])) place.thread = words[at];
  }
  return place;
}

export function go({ channel, thread = null, tab = null, who = store.state?.me }) {
  const words = ["as", who, "c", channel, tab, thread].filter(Boolean).map(encodeURIComponent);
  if (location.hash === `#/${words.join("/")}`) touch();
  else location.hash = `/${words.join("/")}`;
}
