// Does the newest message stay in sight? A list that was read to its end follows what grows in it.

export function stick(scroller, content) {
  let stuck = true;
  const follow = () => {
    if (stuck) scroller.scrollTop = scroller.scrollHeight;
  };
  let last = 0;
  scroller.addEventListener("scroll", () => {
    // Content that grows late (a picture) also moves the end away; only the reader scrolling up lets go.
    const near = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
    if (near || scroller.scrollTop < last) stuck = near;
    last = scroller.scrollTop;
  });
  const watcher = new ResizeObserver(follow);
  watcher.observe(scroller);
  watcher.observe(content);
}
