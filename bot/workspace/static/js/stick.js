// Does the newest message stay in sight? A list that was read to its end follows what grows in it.

export function stick(scroller, content) {
  let stuck = true;
  const follow = () => {
    if (stuck) scroller.scrollTop = scroller.scrollHeight;
  };
  scroller.addEventListener("scroll", () => {
    stuck = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
  });
  const watcher = new ResizeObserver(follow);
  watcher.observe(scroller);
  watcher.observe(content);
}
