"""`python -m benchmarks [NAME...]`: run them, print tables, keep every measurement.

Tables go to standard output, progress to standard error. Exits 0 when everything asked for was measured or skipped
with its reason, 1 when something failed or nothing was measured, 2 for a usage error.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import Effort, names
from benchmarks._figures import Result, into, markdown, plain
from benchmarks._machine import line, machine
from bot.core.errors import nearest


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one benchmark: a result, or why there is none."""

    name: str
    title: str
    seconds: float = 0.0
    result: Result = field(default_factory=lambda: Result(()))
    skipped: str = ""
    failed: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    given = _arguments(argv)
    if given.list:
        print("\n".join(f"{name:10} {import_module(f'benchmarks.{name}').TITLE}" for name in names()))
        return 0
    unknown = [name for name in given.names if name not in names()]
    page = _page(given.update)
    if unknown or page is None:
        for name in unknown:
            print(f"no benchmark {name!r}{nearest(name, names())}; `--list` shows all", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was made is cleaned up
    about, begun = machine(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    show: Callable[[Done], str] = _markdown if given.markdown else _plain
    print(_head(about, as_markdown=given.markdown), flush=True)
    done = []
    for name in given.names or names():
        done.append(_run(name, Effort(given.quick, given.rounds)))
        print(f"\n{show(done[-1])}", flush=True)
        if given.json:
            given.json.write_text(json.dumps(_document(about, begun, given.quick, done), indent=1) + "\n")
        if given.update:
            few = "; quick run" if given.quick else ""
            _updated(given.update, done[-1], f"{begun[:10]}: {line(about)}{few}.")
    return int(any(one.failed for one in done) or not any(one.result.tables for one in done))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    ask = argparse.ArgumentParser("python -m benchmarks", description="What does netdiag cost, against its peers?")
    ask.add_argument("names", nargs="*", metavar="NAME", help=f"which ones (default all): {', '.join(names())}")
    ask.add_argument("--quick", action="store_true", help="two rounds, small sizes: to see that it works")
    ask.add_argument("--rounds", type=_positive, default=1_000, metavar="N", help="at most so many rounds of each")
    ask.add_argument("--json", type=Path, metavar="FILE", help="write every measurement there")
    ask.add_argument("--markdown", action="store_true", help="print tables of Markdown")
    ask.add_argument("--update", type=Path, metavar="FILE", help="put the tables into that page, between its marks")
    ask.add_argument("--list", action="store_true", help="say which there are")
    return ask.parse_args(argv)


def _positive(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of rounds")
    return int(word)


def _page(path: Path | None) -> str | None:
    """What the page says now; None, and words on standard error, when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8") if path else ""
    except OSError as fault:
        print(f"{path}: cannot be read ({fault.strerror})", file=sys.stderr)
        return None


def _run(name: str, effort: Effort) -> Done:
    module = import_module(f"benchmarks.{name}")
    began = time.monotonic()

    def say(words: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {name}: {words}", file=sys.stderr, flush=True)

    reason = module.missing()
    if reason:
        return Done(name, module.TITLE, skipped=reason)
    try:
        result = module.measure(effort, say)
    except Exception as fault:  # one that fails takes no other with it, and is told
        say(f"failed: {fault!r}")
        return Done(name, module.TITLE, time.monotonic() - began, failed=f"{type(fault).__name__}: {fault}")
    return Done(name, module.TITLE, time.monotonic() - began, result)


def _head(about: Mapping[str, str], *, as_markdown: bool) -> str:
    return "\n".join(f"- {name}: {words}" if as_markdown else f"{name:12} {words}" for name, words in about.items())


def _plain(done: Done) -> str:
    return "\n\n".join([f"== {done.name}: {done.title}", *map(plain, done.result.tables), *_left_out(done)])


def _markdown(done: Done) -> str:
    return "\n\n".join([f"## {done.name}: {done.title}", *map(markdown, done.result.tables), *_left_out(done)])


def _left_out(done: Done) -> list[str]:
    told = [f"Failed: {done.failed}"] if done.failed else []
    return told + [f"Skipped: {reason}" for reason in ([done.skipped] if done.skipped else done.result.skipped)]


def _document(about: Mapping[str, str], begun: str, quick: bool, done: Sequence[Done]) -> dict[str, Any]:
    return {
        "schema": "netdiag.benchmarks/1",
        "started": begun,
        "quick": quick,
        "machine": dict(about),
        "benchmarks": {
            one.name: {
                "title": one.title,
                "seconds": round(one.seconds, 1),
                "failed": one.failed or None,
                "skipped_because": one.skipped or None,
                **one.result.document(),
            }
            for one in done
        },
    }


def _updated(path: Path, one: Done, origin: str) -> None:
    if not one.result.tables:
        print(f"{path}: the figures of {one.name} stay as they were", file=sys.stderr)
        return
    try:
        path.write_text(into(path.read_text(encoding="utf-8"), one.name, one.result.tables, origin))
    except ValueError as fault:
        print(f"{path}: {fault}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
