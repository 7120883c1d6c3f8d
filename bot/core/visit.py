"""How is a host read in one round trip? One composed POSIX sh program out, framed sections back in.

The program works under dash, bash and busybox ash. Every section stands between marks that hold a nonce of the
visit, so what a host prints cannot end or open a section; the nonce is in no argument vector and no environment.
A section has its own time and byte caps, its exit status and the head of its standard error: one that is missing,
slow, flooding or garbled makes that probe Unknown with the reason, and no other (law 8). Nothing is written on the
host (law 4); what runs there is niced.

Caps for one section cost a host more than most sections do (three programs, seven processes). So the sections of a
sample are tried together first, under one cap of time and of bytes (`tray`): those that came to their end whole are
done, and only the others are asked again, each alone under caps of its own (`section`).

What a script finds in its environment:

- `$SAMPLE`: 1 to `SAMPLES`.
- `$NETNS`: lines of `inode pid processes`, one per network namespace that has a process (`pid` is the lowest in it),
  at most `MAX_NETNS` of them; `$NETNS_TOTAL` says how many there are, `$NETNS_SELF` which one the script runs in, and
  `$NETNS_UNREAD` lists pids whose namespace could not be read (zombies are among them).
- file descriptor 4: lines written there come back as `$CARRY` to every later section of the visit (32 kB at most),
  so that a later look can be narrower than the first.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from shlex import quote
from typing import Any

from bot.core.probe import SAMPLES, Facts, NoEvidence, ParseError, Probe, Reading, Sampling, Unknown
from bot.core.snapshot import Outcome
from bot.core.text import neutral

MAX_NETNS = 512
"""Network namespaces that a visit reads; a host with more has no complete evidence."""

_SECTION_OVERHEAD = 4_096  # marks and the head of standard error
_SIGNALLED = 128  # a shell adds it to the signal that ended a command
_TRAY_SECONDS = 5
_LATE = 1.5  # seconds that `timeout -k 1` may need beyond its limit

_LIB = r"""nl='
'
blank=$(printf ' \t')$nl
IFS=$blank
now() { read -r up rest </proc/uptime; up_frac=${up#*.}; cs=$(( ${up%.*} * 100 + 1$up_frac - 100 )); }
complain() {
  n=0
  while [ $n -lt 6 ] && IFS= read -r line; do printf 'e %.400s\n' "$line"; line=; n=$(( n + 1 )); done
  [ -z "$line" ] || printf 'e %.400s\n' "$line"
  [ $n -lt 6 ] || exec cat >/dev/null
}
take() { # what a section said of itself: its status, the head of its standard error, and what it carries
  status= errors= carried=; set -f; IFS=$nl
  for line in $said; do
    case $line in
      s\ *) status=${line#s } ;;
      e\ *) errors=$errors$nl${line#e } ;;
      *) [ ${#CARRY} -gt 32000 ] || { CARRY=$CARRY$line$nl; carried=${carried}c\ $line$nl; } ;;
    esac
  done
  set +f; IFS=$blank
}
one() { # a section among others in one shell: no caps of its own; says "done" only when it came to its end
  now; printf '\n%s+ %s %s %s\n' "$mark" "$1" "$SAMPLE" "$up"
  eval "script=\$ask_$1"
  said=$( { (
    trap 'printf "s %s\n" "$?" >&4' EXIT
    eval "unset mark name script said status errors line n up up_frac cs rest nl blank${nl}set --$nl$script"
  ) 2>&1 >&3 3>&- 6>&- | complain; } 4>&1 )
  take
  [ -n "$status" ] || return
  now; printf '\n%s- %s %s %s %s%s\n%s=\n' "$mark" "$1" "$SAMPLE" "$up" "$status" "$errors" "$mark"
  [ -z "$carried" ] || printf '%s' "$carried" >&6
  echo "done $1" >&6
}
"""

_HEAD = r"""PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
unset ENV BASH_ENV CDPATH GREP_OPTIONS POSIXLY_CORRECT
exec 3>&1 </dev/null 2>/dev/null
eval "$lib"
wait_until() {
  now; due=$(( began + $1 )); [ $due -ge $(( last + $2 )) ] || due=$(( last + $2 )); left=$(( due - cs ))
  if [ $left -gt 0 ]; then
    frac=$(( left % 100 + 100 )); sleep $(( left / 100 )).${frac#1} || sleep $(( left / 100 + 1 ))
  fi
  now; last=$cs
}
watched() { # seconds script: where there is no timeout(1), or busybox's, which keeps the pipes open for another second
  own=; ! command -v setsid >/dev/null || own=setsid
  $own sh -c "$2" 3>&- & child=$!
  (
    exec >/dev/null 2>&1 3>&- 4>&- 5>&-
    trap 'kill "$nap"; exit' TERM
    sleep "$1" & nap=$!; wait "$nap"
    kill -TERM "${own:+-}$child"; sleep 1; kill -KILL "${own:+-}$child"
  ) & dog=$!
  wait "$child"; ended=$?
  { kill -TERM "$dog"; [ -z "$own" ] || kill -KILL "-$child"; } 2>/dev/null
  return "$ended"
}
tray() { # sample seconds bytes names
  told= # KILL: after TERM, timeout(1) waits for the shell only, and not for what ignores TERM below it
  [ -n "$cap" ] && [ -n "$4" ] && [ -z "$alone" ] || return 0
  export SAMPLE="$1" CARRY
  told=$( {
    printf '%s\n' "$lib" "$asks" "mark=$mark" 'exec 3>&1 </dev/null' \
      "for name in $4; do one \$name; done; echo end >&6" |
      timeout -s KILL "$2" sh -c 'eval "$(cat)"' 6>&4 4>&- 3>&- |
      { head -c "$3" >&3; line=; if IFS= read -r line || [ -n "$line" ]; then echo over >&4; fi; }
  } 4>&1 )
  told=$nl$told$nl
  case $told in *"${nl}over$nl"*) told= alone=yes ;; *"${nl}end$nl"*) ;; *) alone=yes ;; esac
  set -f; IFS=$nl
  for line in $told; do
    case $line in c\ *) [ ${#CARRY} -gt 32000 ] || CARRY=$CARRY${line#c }$nl ;; esac
  done
  set +f; IFS=$blank
}
section() { # name sample seconds bytes script
  case $told in *"${nl}done $1$nl"*) return ;; esac
  now; printf '\n%s+ %s %s %s\n' "$mark" "$1" "$2" "$up"
  export SAMPLE="$2" CARRY
  said=$( { { {
    if [ -n "$cap" ]; then $cap "$3" sh -c "$5" 3>&-; else watched "$3" "$5"; fi
    printf 's %s\n' "$?" >&4; } 2>&5 5>&- | head -c "$4" >&3; } 5>&1 | complain; } 4>&1 )
  take
  now; printf '\n%s- %s %s %s %s%s\n%s=\n' "$mark" "$1" "$2" "$up" "${status:-lost}" "$errors" "$mark"
}
as_root() { [ "$uid" != 0 ] || section "$@"; }
CARRY= alone= told=
read -r self rest </proc/self/stat
while read -r key uid euid rest; do [ "$key" != Uid: ] || break; done </proc/self/status
uid=$euid
renice -n 19 -p "$self" >&2
cap=
case $(timeout --help) in *--kill-after*) cap='timeout -k 1' ;; esac
"""

# One ls for all links; a link that cannot be read prints no arrow.
_NETNS = r"""found=$(ls -ln /proc/[0-9]*/ns/net | awk -v self="$self" -v most="$most_netns" '
  $NF ~ /^net:\[[0-9]+\]$/ {
    split($(NF - 2), part, "/"); pid = part[3] + 0; id = substr($NF, 6, length($NF) - 6)
    if (!(id in least)) { total++; least[id] = pid } else if (pid < least[id]) least[id] = pid
    count[id]++; if (pid == self) own = id
    next
  }
  $NF ~ /^\/proc\/[0-9]+\/ns\/net$/ { split($NF, part, "/"); if (unread++ < 50) pids = pids part[3] " " }
  END {
    print total + 0; print own; print pids
    for (id in least) if (shown++ < most) print id, least[id], count[id]
  }')
NETNS_TOTAL=${found%%"$nl"*}; found=${found#*"$nl"}
NETNS_SELF=${found%%"$nl"*}; found=${found#*"$nl"}
NETNS_UNREAD=${found%%"$nl"*}; NETNS=${found#*"$nl"}
export NETNS NETNS_TOTAL NETNS_SELF NETNS_UNREAD
"""


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
    asks = "".join(f"ask_{probe.name}={quote(probe.script)}\n" for probe in probes)
    program = ["(", f"lib={quote(_LIB)}\nasks={quote(asks)}\n", _HEAD, f'eval "$asks"\nmark=@{nonce}\n']
    if any("$NETNS" in probe.script for probe in probes):
        program.append(f"most_netns={MAX_NETNS}\n{_NETNS}")
    program.append("now; began=$cs; last=$cs\n")
    step = round(window * 100 / (SAMPLES - 1))
    for sample in range(1, SAMPLES + 1):
        asked = [probe for probe in probes if sample in _samples(probe)]
        if not asked:
            continue
        if sample > 1:
            program.append(f"wait_until {step * (sample - 1)} {step // 2}\n")
        asked.sort(key=lambda probe: probe.sampling is Sampling.ONCE)
        program.append(_tray(asked, sample))
        program += [_call(probe, sample) for probe in asked]
    program.append('printf "\\n%s.\\n" "$mark"\n)\n')
    return "".join(program)


def _samples(probe: Probe[Any]) -> Sequence[int]:
    return {
        Sampling.ONCE: (1,),
        Sampling.COUNTER: (1, SAMPLES),
        Sampling.MOMENTARY: range(1, SAMPLES + 1),
    }[probe.sampling]


def _tray(asked: Sequence[Probe[Any]], sample: int) -> str:
    """Try them together: all, or without root those that need none. One alone goes without."""
    if len(asked) == 1:
        return "told=\n"
    every, plain = (" ".join(p.name for p in asked if root or not p.root) for root in (True, False))
    names = f"names='{every}'; [ \"$uid\" = 0 ] || names='{plain}'"
    seconds, size = _together(asked)
    return f'{names}\ntray {sample} {seconds} {size} "$names"\n'


def _together(asked: Sequence[Probe[Any]]) -> tuple[int, int]:
    """The caps of a tray: as long as is usual by far, and as much as two of the largest."""
    longest = max(round(float(_seconds(probe))) for probe in asked)
    return min(_TRAY_SECONDS, longest), 2 * max(probe.max_bytes for probe in asked)


def _call(probe: Probe[Any], sample: int) -> str:
    run = "as_root" if probe.root else "section"
    return f'{run} {probe.name} {sample} {_seconds(probe)} {probe.max_bytes} "$ask_{probe.name}"\n'


def _seconds(probe: Probe[Any]) -> str:
    # busybox's timeout takes whole seconds only
    return str(max(1, round(probe.timeout)))


def budget(probes: Sequence[Probe[Any]], window: float = 3.0) -> tuple[float, int]:
    """The longest that the program may take (seconds) and the most that it may print (bytes)."""
    seconds = sum((float(_seconds(probe)) + _LATE) * len(_samples(probe)) for probe in probes)
    size = sum((probe.max_bytes + _SECTION_OVERHEAD) * len(_samples(probe)) for probe in probes)
    if probes:
        longest, most = _together(probes)
        seconds, size = seconds + longest + _LATE, size + most * SAMPLES  # the first tray that fails is the last
    return window * 1.5 + 10.0 + seconds, size + _SECTION_OVERHEAD


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host printed, taken apart: the readings of each probe by sample, and whether the program ended."""

    readings: Mapping[str, Mapping[int, Reading]]
    ended: bool


def sections(
    stdout: bytes, probes: Sequence[Probe[Any]], *, nonce: str, asked: tuple[float, float] | None = None
) -> Answer:
    """Split what a host printed at the marks of this visit. Anything outside of them is ignored; never raises.

    `asked` is when the visit began and ended by the bot's clock, Unix seconds.
    """
    mark = f"\n@{nonce}".encode()
    known = {probe.name: probe for probe in probes}
    readings: dict[str, dict[int, Reading]] = {}
    spans: dict[tuple[str, int], tuple[float, float]] = {}
    ended = False
    opened: tuple[str, int, float, bytes] | None = None
    closed: tuple[str, int, float, bytes] | None = None
    for piece in (b"\n" + stdout).split(mark)[1:]:
        kind, (head, _, body) = piece[:1], piece[1:].partition(b"\n")
        words = head.decode(errors="replace").split()
        match kind:
            case b"+":
                opened, closed = _place(words, body), None
            case b"-" if opened is not None and closed is None:
                closed = _place(words, body)
                opened = opened if closed is not None else None
            case b"=" if opened is not None and closed is not None and opened[:2] == closed[:2]:
                name, sample = opened[:2]
                if name in known and sample not in readings.setdefault(name, {}):
                    readings[name][sample] = _reading(known[name], opened, closed)
                    spans[name, sample] = opened[2], closed[2]
                opened = closed = None
            case b".":
                ended = True
            case _:
                opened = closed = None
    if asked is not None and spans:
        for (name, sample), when in _placed(spans, asked).items():
            readings[name][sample] = replace(readings[name][sample], asked=when)
    return Answer(readings, ended)


def _placed(
    spans: Mapping[tuple[str, int], tuple[float, float]], asked: tuple[float, float]
) -> Mapping[tuple[str, int], tuple[float, float]]:
    """Between which times of the bot each section ran; nothing where the host's clock ran longer than the visit."""
    first, last = min(begun for begun, _ in spans.values()), max(ended for _, ended in spans.values())
    began, over = asked
    if not 0 <= last - first <= over - began:
        return {}
    return {key: (began + (begun - first), over - (last - ended)) for key, (begun, ended) in spans.items()}


def _place(words: Sequence[str], body: bytes) -> tuple[str, int, float, bytes] | None:
    try:
        name, sample, uptime = words[0], int(words[1]), float(words[2])
    except (IndexError, ValueError):
        return None
    return name, sample, uptime, (words[3].encode() + b"\n" + body if len(words) > 3 else body)  # noqa: PLR2004


def _reading(
    probe: Probe[Any], opened: tuple[str, int, float, bytes], closed: tuple[str, int, float, bytes]
) -> Reading:
    text = opened[3]
    head, _, errors = closed[3].partition(b"\n")
    try:
        status = int(head)
    except ValueError:
        status = -1  # the section's own shell was killed before it could tell
    took = closed[2] - opened[2]
    # timeout says 124; killed as well 137; busybox passes its own TERM on as 143
    timed_out = status in (124, 137, 143, -1) and took >= float(_seconds(probe)) - 0.1
    return Reading(
        text=text.decode(errors="replace"),
        stderr=errors.decode(errors="replace").strip("\n"),
        exit_status=status,
        complete=len(text) < probe.max_bytes,
        timed_out=timed_out,
        uptime=opened[2],
    )


def read(
    stdout: bytes,
    probes: Sequence[Probe[Any]],
    *,
    nonce: str,
    root: bool,
    root_reason: str = "",
    asked: tuple[float, float] | None = None,
) -> Mapping[str, Outcome]:
    """What each probe found, or why it found nothing. Never raises for anything that a host printed."""
    answer = sections(stdout, probes, nonce=nonce, asked=asked)
    return judge(answer, probes, root=root, root_reason=root_reason)


def judge(answer: Answer, probes: Sequence[Probe[Any]], *, root: bool, root_reason: str = "") -> Mapping[str, Outcome]:
    """The same from readings: joined probes first (`after`), one outcome for each probe."""
    outcomes: dict[str, Outcome] = {}
    seen: dict[str, Facts | Unknown] = {}
    for probe in required((p.name for p in probes), _completed(probes)):
        if probe.name not in {p.name for p in probes}:
            continue
        if probe.root and not root:
            outcome: Outcome = Unknown(f"needs root: {root_reason}" if root_reason else "needs root")
        else:
            outcome = _outcome(probe, answer, {name: seen[name] for name in probe.after if name in seen})
        outcomes[probe.name] = outcome
        seen[probe.name] = outcome if isinstance(outcome, Unknown) else outcome[-1]
    return {probe.name: outcomes[probe.name] for probe in probes}


def _completed(probes: Sequence[Probe[Any]]) -> Mapping[str, Probe[Any]]:
    """The probes by name, with joins to what is not in this visit left out."""
    names = {probe.name for probe in probes}
    return {probe.name: _without(probe, names) for probe in probes}


def _without(probe: Probe[Any], names: set[str]) -> Probe[Any]:
    return replace(probe, after=tuple(name for name in probe.after if name in names))


def _outcome(probe: Probe[Any], answer: Answer, seen: Mapping[str, Facts | Unknown]) -> Outcome:
    found = answer.readings.get(probe.name, {})
    readings: list[Reading] = []
    for sample in _samples(probe):
        reading = found.get(sample)
        if reading is None:
            return Unknown("no answer" if answer.ended else "no answer before the visit broke off")
        fault = _fault(probe, reading)
        if fault:
            return Unknown(fault)
        readings.append(reading)
    try:
        if probe.sampling is Sampling.MOMENTARY:
            return tuple(probe.parse(readings[: number + 1], seen) for number in range(len(readings)))
        return (probe.parse(readings, seen),)
    except NoEvidence as reason:
        return Unknown(neutral(str(reason)))
    except ParseError as fault_:
        return Unknown(neutral(f"cannot parse: {fault_}"))


def _fault(probe: Probe[Any], reading: Reading) -> str | None:
    if reading.timed_out:
        return f"timed out after {_seconds(probe)} s"
    if not reading.complete:
        return f"cut at {probe.max_bytes} bytes"
    if reading.exit_status == 0:
        return None
    if _SIGNALLED < reading.exit_status < _SIGNALLED + 65:
        return f"ended by signal {reading.exit_status - _SIGNALLED}"
    missing = re.search(r"(?:^|[\s:/])([\w.+-]{1,40}): (?:command )?not found", reading.stderr) or re.search(
        r"failed to execute ([\w.+/-]{1,60}): No such file", reading.stderr
    )
    if missing:
        return f"{missing[1]}: not found"
    said = reading.stderr.strip().splitlines()
    return neutral(said[-1]) if said else f"exit status {reading.exit_status}"
