"""How is a host read in one round trip? One composed POSIX sh program out, framed sections back in.

The program works under dash, bash and busybox ash. Every section stands between marks that hold a nonce of the
visit, so what a host prints cannot end or open a section; the nonce is in no argument vector and no environment.
A section has its own time and byte caps, its exit status and the head of its standard error: one that is missing,
slow, flooding or garbled makes that probe Unknown with the reason, and no other (law 8). Nothing is written on the
host (law 4); what runs there is niced.

Processes are what a visit costs its host. Caps for one section are three programs and seven processes, so all samples
are tried together first, under one cap of time and of bytes (`tray`), and what several probes read of the host's files
is read once for all of them (`core.gather`). Only sections that did not come to a good end are asked again, each alone
under caps of its own (`section`). `visit_shell` holds the shell, `visit_answer` reads what comes back.

What a script finds in its environment:

- `$SAMPLE`: 1 to `SAMPLES`.
- `$NETNS`: lines of `inode pid processes`, one per network namespace that has a process (`pid` is the lowest in it),
  at most `MAX_NETNS` of them; `$NETNS_TOTAL` says how many there are, `$NETNS_SELF` which one the script runs in, and
  `$NETNS_UNREAD` lists pids whose namespace could not be read (zombies are among them).
- `$PLAN`: what the probe's `gather` asked for.
- file descriptor 4: lines written there come back as `$CARRY` to every later section of the visit (64 kB at most),
  so that a later look can be narrower than the first.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from shlex import quote
from typing import Any

from bot.core.gather import NOTHING, SIZES
from bot.core.probe import SAMPLES, Probe, Sampling
from bot.core.visit_shell import GATHER, HEAD, LIB, TRAY

_SECTION_OVERHEAD = 4_096  # marks and the head of standard error
_TRAY_SECONDS = 8
_LATE = 1.5  # seconds that `timeout -k 1` may need beyond its limit


def required(names: Iterable[str], catalog: Mapping[str, Probe[Any]]) -> tuple[Probe[Any], ...]:
    """The probes named, and those that they join, each after what it joins. Raises KeyError for an unknown name."""
    order: dict[str, Probe[Any]] = {}

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"probes join in a circle: {' > '.join((*above, name))}")
        for joined in catalog[name].after:
            add(joined, (*above, name))
        order.setdefault(name, catalog[name])

    for name in names:
        add(name, ())
    return tuple(order.values())


def compose(probes: Sequence[Probe[Any]], *, nonce: str, window: float = 3.0) -> str:
    """One program that asks every probe: to be fed to `sh` on standard input, once or in a long-lived shell.

    `nonce` holds at least 128 bits of chance, [a-z0-9]. Samples are spread over `window` seconds; what is asked once
    is asked after the first sample, so that its time overlaps the window. Raises ValueError for an unfit nonce.
    """
    if not re.fullmatch(r"[a-z0-9]{20,128}", nonce):
        raise ValueError("a nonce is 20 to 128 characters of [a-z0-9]")
    spaces = "yes" if any(map(_wants_namespaces, probes)) else ""
    plan = [(sample, asked) for sample in range(1, SAMPLES + 1) if (asked := _asked(probes, sample))]
    program = [
        f"(\nlib={quote(LIB)}\nasks={quote(_asks(probes, plan))}\ntray_lib={quote(TRAY)}\n{HEAD}",
        f"mark=@{nonce}\nspaces={spaces}\nnow; began=$cs last=$cs\n",
        _tray(probes, plan, window) if len(probes) > 1 else "alone=yes\n",
    ]
    for sample, asked in plan:
        program += [f"pause {_pause(sample, window)}\n"] if sample > 1 else []
        program += [_call(probe, sample) for probe in asked]
    program.append('printf "\\n%s.\\n" "$mark"\n)\n')
    return "".join(program)


def samples(probe: Probe[Any]) -> Sequence[int]:
    """In which samples a probe is asked."""
    return {
        Sampling.ONCE: (1,),
        Sampling.COUNTER: (1, SAMPLES),
        Sampling.MOMENTARY: range(1, SAMPLES + 1),
        Sampling.LAST: (SAMPLES,),
    }[probe.sampling]


def seconds_of(probe: Probe[Any]) -> str:
    """A probe's cap of time for one section, as a shell's word. busybox's timeout takes whole seconds only."""
    return str(max(1, round(probe.timeout)))


def budget(probes: Sequence[Probe[Any]], window: float = 3.0) -> tuple[float, int]:
    """The longest that the program may take (seconds) and the most that it may print (bytes)."""
    seconds = sum((float(seconds_of(probe)) + _LATE) * len(samples(probe)) for probe in probes)
    size = sum((probe.max_bytes + _SECTION_OVERHEAD) * len(samples(probe)) for probe in probes)
    if probes:
        longest, most = _together(probes, window)
        seconds, size = seconds + longest + _LATE, size + most
    return window * 1.5 + 10.0 + seconds, size + _SECTION_OVERHEAD


def _asked(probes: Sequence[Probe[Any]], sample: int) -> list[Probe[Any]]:
    asked = [probe for probe in probes if sample in samples(probe)]
    return sorted(asked, key=lambda probe: probe.sampling is Sampling.ONCE)


def _wants_namespaces(probe: Probe[Any]) -> bool:
    files, awk = (probe.gather.files, probe.gather.awk) if probe.gather else ((), "")
    return "$NETNS" in probe.script or "SPACES" in awk or any(file.startswith("net/") for file in files)


def _asks(probes: Sequence[Probe[Any]], plan: Sequence[tuple[int, Sequence[Probe[Any]]]]) -> str:
    """Variables: every probe's script, and what it wants to be gathered, alone (by its name) and in each sample."""
    wanted = {f"ask_{probe.name}": script_of(probe) for probe in probes}
    for probe in probes:
        if probe.idle:
            wanted |= {f"word_{probe.name}": probe.idle.word, f"idle_{probe.name}": probe.idle.line}
    if any(probe.gather for probe in probes):
        wanted |= GATHER
    for probe in probes:
        if probe.gather:
            wanted[f"awk_{probe.name}"] = probe.gather.awk
            wanted |= _files(probe.name, [probe])
    for sample, asked in plan:
        first = sample == 1
        wanted |= _files(str(sample), [*asked, *(_watching(probes) if first else ())], first=first)
    return "".join(f"{name}={quote(text)}\n" for name, text in wanted.items())


def script_of(probe: Probe[Any]) -> str:
    """What runs on the host: the probe's script, where there is something to ask."""
    if not probe.idle:
        return probe.script
    word, line = quote(probe.idle.word), quote(probe.idle.line)
    return f"case $CARRY in *{word}*) ;; *) echo {line}; exit 0 ;; esac\n{probe.script}"


def _files(of: str, probes: Sequence[Probe[Any]], *, first: bool = True) -> Mapping[str, str]:
    gathers = [probe.gather for probe in probes if probe.gather]
    files = dict.fromkeys(file for gather in gathers for file in (*gather.files, *(gather.first if first else ())))
    skips = [gather.skips for gather in gathers if gather.skips]
    more = [gather.more for gather in gathers if gather.more]
    return {
        f"files_{of}": " ".join(files),
        f"skips_{of}": "|".join(skips) or NOTHING,
        f"more_{of}": "\n".join(more),
    }


def _watching(probes: Sequence[Probe[Any]]) -> list[Probe[Any]]:
    """Those that are asked at the end only, and look at the beginning, so that they know what moved."""
    return [probe for probe in probes if probe.sampling is Sampling.LAST and probe.gather]


def _tray(probes: Sequence[Probe[Any]], plan: Sequence[tuple[int, Sequence[Probe[Any]]]], window: float) -> str:
    """Try them together: all, or without root those that need none."""
    begin = ["now; began=$cs last=$cs\n"]
    if any(map(_wants_namespaces, probes)):
        sized = any(probe.gather.more == SIZES for probe in probes if probe.gather)
        begin.append(f'sized={"yes" if sized else ""}\nnamespaces "$self"\n')
    seconds, size = _together(probes, window)
    texts = []
    for root in (True, False):
        steps = list(begin)
        for sample, asked in plan:
            steps.append(_step(probes, sample, asked, root=root, window=window))
        texts.append(quote("".join(steps)))
    every, plain = texts
    return f'steps={every}\n[ "$uid" = 0 ] || steps={plain}\ntray {seconds} {size} "$steps"\n'


def _step(probes: Sequence[Probe[Any]], sample: int, asked: Sequence[Probe[Any]], *, root: bool, window: float) -> str:
    """Take this sample when its time has come; one in the middle only where it may find something new."""
    gathering = _names([probe for probe in asked if probe.gather], root)
    watching = _names(_watching(probes), root) if sample == 1 else ""
    names = _names(asked, root)
    take = f"wait_until {_pause(sample, window)}\n" if sample > 1 else ""
    take += f'sample {sample} "$files_{sample}" "$skips_{sample}" "$more_{sample}" '
    take += f"'{gathering}' '{watching}' '{names}'\n"
    words = _stirring(asked) if 1 < sample < SAMPLES else ()
    return f"if stirred {' '.join(words)}; then\n{take}else calm {sample} '{names}'\nfi\n" if words else take


def _stirring(probes: Sequence[Probe[Any]]) -> Sequence[str]:
    """The words one of which is carried where this sample of theirs may find something new; none: it always may."""
    words = [probe.gather.between if probe.gather else () for probe in probes]
    return [word for some in words for word in some] if all(words) else []


def _names(probes: Sequence[Probe[Any]], root: bool) -> str:
    return " ".join(probe.name for probe in probes if root or not probe.root)


def _together(probes: Sequence[Probe[Any]], window: float) -> tuple[int, int]:
    """The caps of the tray: as long as is usual by far, and as much as two of the largest in every sample."""
    longest = max(int(seconds_of(probe)) for probe in probes)
    return math.ceil(window) + min(_TRAY_SECONDS, 2 * longest), 2 * SAMPLES * max(probe.max_bytes for probe in probes)


def _pause(sample: int, window: float) -> str:
    """Hundredths of a second since the first sample, and the least since the one before."""
    step = round(window * 100 / (SAMPLES - 1))
    return f"{step * (sample - 1)} {step // 2}"


def _call(probe: Probe[Any], sample: int) -> str:
    run = "as_root" if probe.root else "section"
    return f"{run} {probe.name} {sample} {seconds_of(probe)} {probe.max_bytes}\n"
