r"""How are the files of a host read once for every probe that wants them? One grep and one awk for a whole sample.

A probe's `Gather.awk` is a function of the probe's name. It has no arguments; all its variables stand in its list of
parameters, so that no probe sees those of another (awk knows no other locals). Helper functions carry the probe's name
before theirs. What it sees:

- `ROWS[path]` and `ROW[path, n]`: how many lines of a file were read, and each of them, from 1. No lines: no such file,
  or an empty one.
- `SPACES`, `ID[i]`, `PID[i]`, `MEMBERS[i]`: the network namespaces as in `$NETNS`; `OWN` is the one of the visit (0
  if it is not among them), `net(i, "snmp")` the path of a file of one of them.
- `counter(path, group, name)`: a number of netstat or snmp, by the kernel's names; "" where it has none.
- `processes()`: how many processes `pid/stat` tells of; `PROC[n]` is the id of one, `NAME[pid]` its command,
  `AFTER[pid]` the fields of its stat that follow.
- a file that may be long and of which little matters: by `getline` from its path, and `close`; nobody else sees it.
- `SAMPLE`; `CARRIED[n]`, up to `LINES`: the lines that were carried so far in this visit.

and what it says:

- `say(line)`: a line of the section; `spaces()`: those of `$NETNS` and an empty one, as by `SHOW_NETNS`.
- `ask(line)`: a line of the script's `$PLAN`. A script that is asked nothing does not run: that saves a process.
- `carry(line)`: a line for later sections, as by writing to file descriptor 4.
"""

AWK = r"""
function start(   n, word, i) {
  n = split(ENVIRON["NETNS"], word)
  for (i = 1; i + 2 <= n; i += 3) {
    ID[++SPACES] = word[i]; PID[SPACES] = word[i + 1]; MEMBERS[SPACES] = word[i + 2]
    if (word[i] == ENVIRON["NETNS_SELF"]) OWN = SPACES
  }
  LINES = split(ENVIRON["CARRY"], CARRIED, "\n")
  SAMPLE = ENVIRON["SAMPLE"] + 0
  CODE = "/proc/self/fd/9"
}
function say(text) { BODY[++SAID] = text }
function ask(text) { PLAN[++ASKED] = text }
function carry(text) { CARRIED[++LINES] = text; KEPT[++KEEPS] = text }
function net(i, name) { return "/proc/" PID[i] "/net/" name }
function spaces(   i) {
  for (i = 1; i <= SPACES; i++) say(ID[i] " " PID[i] " " MEMBERS[i])
  if (!SPACES) say("")
  say("")
}
function index_of(path,   k, at, name) {
  INDEXED[path] = 1
  for (k = 1; k < ROWS[path]; k++) {
    at = index(ROW[path, k], ":"); name = substr(ROW[path, k], 1, at)
    if (!at || (path, name) in HEAD || substr(ROW[path, k + 1], 1, at) != name) continue
    HEAD[path, name] = k++
  }
}
function counter(path, group, name,   k, n, word) {
  if (!(path in INDEXED)) index_of(path)
  group = group ":"
  if (!((path, group) in HEAD)) return ""
  k = HEAD[path, group]; group = ROW[path, k]
  if (!(group in WIDTH)) { # kernels print the same columns for every namespace
    WIDTH[group] = n = split(group, word)
    for (; n; n--) COLUMN[group, word[n]] = n
  }
  if (!((group, name) in COLUMN)) return ""
  if (CUT != path SUBSEP k) { split(ROW[path, k + 1], VALUE); CUT = path SUBSEP k }
  return VALUE[COLUMN[group, name]]
}
function processes(   path, part, line) {
  if (PROCS) return PROCS
  for (path in ROWS) if (path ~ /^\/proc\/[0-9]+\/stat$/) {
    split(path, part, "/"); line = ROW[path, 1]; PROC[++PROCS] = part[3]
    if (match(line, /^.*\)/)) { AFTER[part[3]] = substr(line, RLENGTH + 2); line = substr(line, 1, RLENGTH - 1) }
    sub(/^[0-9]+ \(/, "", line); NAME[part[3]] = line
  }
  return PROCS + 0
}
function quoted(text,   n, part, k, out) {
  n = split(text, part, "'"); out = part[1]
  for (k = 2; k <= n; k++) out = out "'\\''" part[k]
  return out
}
function uptime(   line, word) {
  if ((getline line <"/proc/uptime") < 1) return UP
  close("/proc/uptime"); split(line, word); return word[1]
}
function shut(name,   k) { # in a tray: the section, where that is all of it; else what its script begins with
  if (!ASKED) {
    printf "\n%s+ %s %d %s\n", MARK, name, SAMPLE, UP
    for (k = 1; k <= SAID; k++) print BODY[k]
    printf "\n%s- %s %d %s 0\n%s=\n", MARK, name, SAMPLE, uptime(), MARK
    print "finished " name >CODE
  } else {
    printf "begun_%s='", name >CODE
    for (k = 1; k <= SAID; k++) print quoted(BODY[k]) >CODE
    printf "' plan_%s='", name >CODE
    for (k = 1; k <= ASKED; k++) print quoted(PLAN[k]) >CODE
    print "'" >CODE
  }
  glance()
}
function glance(   k) { # what is carried alone
  for (k = 1; k <= KEEPS; k++) print "keep '" quoted(KEPT[k]) "'" >CODE
  SAID = ASKED = KEEPS = 0
}
function alone(   k) { # with caps of its own
  for (k = 1; k <= SAID; k++) print BODY[k]
  for (k = 1; k <= ASKED; k++) print PLAN[k] >CODE
  for (k = 1; k <= KEEPS; k++) print KEPT[k] >"/proc/self/fd/4"
}
NR == 1 { MARK = $1; UP = $2; next }
{ at = index($0, ":"); path = substr($0, 1, at - 1); ROW[path, ++ROWS[path]] = substr($0, at + 1) }
"""
"""The part that all probes share."""

FILES = r"""files_of() { # patterns, net/NAME and pid/NAME among them; puts the paths into $files
  files= each= ofall=; set -f
  for file in $1; do
    case $file in
      net/*) each="$each /proc/\$2/$file" ;;
      pid/*) ofall="$ofall ${file#pid/}" ;;
      *) files="$files $file" ;;
    esac
  done
  set -- $NETNS
  while [ $# -ge 3 ]; do eval "files=\"\$files$each\""; shift 3; done
  set +f
  for file in $ofall; do files="$files$(printf " %s/$file" /proc/[0-9]*)"; done
}
sizes() { # of every descriptor table, as lines of /proc/sizes: one by ls tells them with the namespaces
  if [ -n "$SIZES" ]; then printf '%s\n' "$SIZES"; else stat -c '/proc/sizes:%s %n' $(printf ' %s/fd' /proc/[0-9]*); fi
}
"""
SIZES = "sizes"
"""For `Gather.more`: how many descriptors every process has, as `/proc/sizes:NUMBER /proc/PID/fd`."""

ALONE = (
    FILES
    + r"""for tool in grep awk; do
  command -v "$tool" >/dev/null || { echo "$tool: not found" >&2; exit 127; }
done
files_of "$FILES"
exec 5>&1
PLAN=$({ echo; grep -sHvE "$SKIPS" $files /dev/null; eval "$MORE"; } 3>&- 5>&- | awk "$AWK" 9>&1 >&5 5>&-) || exit
exec 5>&-
unset AWK FILES SKIPS MORE files each ofall file
[ -n "$PLAN" ] || exit 0
"""
)
"""Before the script of a probe that is asked alone: what its `Gather` says."""

NOTHING = "^ never $"
"""Lines to skip where every line is worth reading."""
