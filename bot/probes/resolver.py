"""Do the name servers that this host is told to ask answer?

The configuration is a file; whether a server answers only a question tells. Each of the first three, all that glibc
asks, gets one for the name servers of the root: all at once, with at most three tries of a second each. The host's
own tools ask: bash from its own socket, else nslookup.
"""

import re
from collections.abc import Sequence
from itertools import takewhile

from bot.core.probe import Facts, Gather, NoEvidence, ParseError, Probe, Reading, Seen
from bot.core.text import neutral
from bot.probes._text import number


class NameServer(Facts):
    """One server of resolv.conf, and how it answered."""

    address: str
    """As it stands there."""
    asked: bool
    """Whether it was asked: only the first three are, for no resolver asks more."""
    answered: bool
    """Whether any answer came."""
    state: str
    """"answered", "silent" (no answer within three seconds), "refused" (nothing listens there: the host said so), or
    "unreachable" (no way there); empty when it was not asked."""
    milliseconds: int | None
    """How long the answer took, in steps of 10; lost tries count. None without an answer."""
    tries: int
    """Questions sent until the answer came."""
    rcode: int | None
    """The answer's code: 0 fine, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. None where the tool does not tell."""


class ResolverFacts(Facts):
    """What resolv.conf of the host says, and what its servers do. Containers have files of their own."""

    configured: bool
    """Whether /etc/resolv.conf is there; without it libraries ask 127.0.0.1."""
    servers: list[NameServer]
    """In the order they are asked in."""
    search: list[str]
    """Domains appended to short names."""
    options: list[str]
    """Options ("ndots:5", "timeout:2", "rotate")."""


_ASK = r"""
send() { printf 'nd\1\0\0\1\0\0\0\0\0\0\0\0\2\0\1' >&"$1"; } 2>/dev/null
hear() { timeout 1 od -An -v -tx1 -N12 <&"$1" 2>&1; }
now() { read -r up rest </proc/uptime; now=$(( ${up%.*} * 100 + 10#${up#*.} )); }
ask() {
  { exec 5<>"/dev/udp/$1/53"; } 2>/dev/null || { echo "asked $1 unreachable"; return; }
  now; began=$now
  for try in 1 2 3; do
    send 5; said=$(hear 5); now
    case $said in
      *[Rr]efused*) echo "asked $1 refused"; return ;;
      *host*|*[Uu]nreachable*) echo "asked $1 unreachable"; return ;;
      ' 6e 64 '*) set -- "$1" $said; echo "asked $1 answered $(( (now - began) * 10 )) $try $5"; return ;;
    esac
  done
  echo "asked $1 silent"
}
for server in "$@"; do ask "$server" & done
wait
"""

GATHER = Gather(
    ("/etc/resolv.conf",),
    awk=r"""
function resolver(   k, path, word, told, n) {
  path = "/etc/resolv.conf"
  if (!ROWS[path]) { ask("look"); return }
  say("conf")
  for (k = 1; k <= ROWS[path]; k++) if (ROW[path, k] ~ /^[ \t]*(nameserver|search|domain|options)[ \t]/) {
    say(ROW[path, k]); split(ROW[path, k], word)
    if (word[1] == "nameserver" && word[2] ~ /^[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?$/ && !(word[2] in told) && n < 3) {
      ask(word[2]); told[word[2]] = 1; n++
    }
  }
  say("---")
}
""",
)

# `nd` is the question's number. A first refusal may belong to the try before: a socket tells it late, but tells it.
SCRIPT = (
    r"""
servers=$PLAN
case $servers in *look*)
  conf=/etc/resolv.conf
  [ -e $conf ] || { echo 'conf absent'; exit 0; }
  [ ! -d $conf ] || { echo "$conf: is a directory" >&2; exit 1; }
  true <$conf || exit 1
  printf 'conf\n---\n'; exit 0 ;;
esac
if command -v bash >/dev/null && command -v od >/dev/null && command -v timeout >/dev/null; then
  bash -c '"""
    + _ASK.replace("'", "'\\''")
    + r"""' bash $servers
elif command -v nslookup >/dev/null; then
  for server in $servers; do
    {
      read -r up rest </proc/uptime; began=$(( ${up%.*} * 100 + 1${up#*.} - 100 ))
      said=$(timeout 3 nslookup -type=ns . "$server" 2>&1)
      read -r up rest </proc/uptime; took=$(( (${up%.*} * 100 + 1${up#*.} - 100 - began) * 10 ))
      case $said in
        *[Rr]efused*) echo "asked $server refused" ;;
        *nreachable*) echo "asked $server unreachable" ;;
        *'timed out'*|*'no servers could'*|'') echo "asked $server silent" ;;
        *) echo "asked $server answered $took 1 -" ;;
      esac
    } &
  done
  wait
else echo 'no tool'
fi
:
"""
)

_SERVER = re.compile(r"[0-9A-Fa-f:.]{2,50}(?:%[A-Za-z0-9_.-]{1,32})?")
_ASKED = re.compile(r"asked (\S{2,90}) (silent|refused|unreachable|answered (\d{1,6}) ([1-3]) ([0-9a-f]{2}|-))")
_RCODE = 0x0F
_MOST_WORDS = 32


def parse(readings: Sequence[Reading], _seen: Seen) -> ResolverFacts:
    """Read the configuration and the answers. Raises NoEvidence when there are servers and no tool to ask them with."""
    text = readings[-1].text
    if text.strip() == "conf absent":
        return ResolverFacts(configured=False, servers=[], search=[], options=[])
    head, rule, answers = text.partition("---\n")
    if not head.startswith("conf\n") or not rule:
        raise ParseError(f"expected resolv.conf and answers, got {text[:60]!r}")
    addresses, search, options = configuration(head.splitlines()[1:])
    lines = answers.split("\n")
    if "no tool" in lines:
        raise NoEvidence("neither bash nor nslookup is there to ask the name servers with")
    told = [_ASKED.fullmatch(line) for line in lines if line]
    if not all(told):
        raise ParseError(f"expected how the servers answered, got {answers[:60]!r}")
    found = {one[1]: one for one in told if one}
    servers = [_server(address, found.get(address)) for address in addresses]
    if len(found) < min(3, len({address for address in addresses if _SERVER.fullmatch(address)})):
        raise ParseError(f"{len(found)} answers from {len(addresses)} servers")
    return ResolverFacts(configured=True, servers=servers, search=search, options=options)


def configuration(lines: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Servers, search list and options of a resolv.conf; of `search` and `domain` the last one counts."""
    servers: list[str] = []
    search: list[str] = []
    options: list[str] = []
    for line in lines:
        words = neutral(line.strip(), 600).split()[:_MOST_WORDS]
        word, *rest = list(takewhile(lambda one: one[0] not in "#;", words)) or [""]
        if word == "nameserver" and rest and rest[0] not in servers:
            servers.append(rest[0])
        elif word == "search":
            search = rest
        elif word == "domain":
            search = rest[:1]
        elif word == "options":
            options += rest
    return servers[:_MOST_WORDS], search, options[:_MOST_WORDS]


def _server(address: str, told: "re.Match[str] | None") -> NameServer:
    if told is None:
        return NameServer(
            address=address, asked=False, answered=False, state="", milliseconds=None, tries=0, rcode=None
        )
    answered = told[3] is not None
    return NameServer(
        address=address,
        asked=True,
        answered=answered,
        state="answered" if answered else told[2],
        milliseconds=number(told[3]) if answered else None,
        tries=number(told[4]) if answered else 0,
        rcode=int(told[5], 16) & _RCODE if answered and told[5] != "-" else None,
    )


PROBE = Probe(
    name="resolver",
    question="Do the name servers that this host is told to ask answer?",
    script=SCRIPT,
    parse=parse,
    facts=ResolverFacts,
    timeout=6.0,
    max_bytes=65_536,
    gather=GATHER,
)
