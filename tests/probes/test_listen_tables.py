"""How many wait at a listener, by the head of /proc/PID/net/tcp: the same in every shell, wherever it is cut."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.probes._listen_queues_script import HEAD, TABLES

SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox ash": ["busybox", "sh"]}
SHELLS = {name: argv for name, argv in SHELLS.items() if shutil.which(argv[0])}
TITLE = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode".ljust(149) + "\n"
)
ESTABLISHED, HALF_OPEN = "01", "03"


ADDRESSES = {4: ("0100007F", "00000000"), 6: ("00000000000000000000000001000000", "0" * 32)}


def table(rows: Sequence[int | str], family: int = 4) -> str:
    """As the kernel prints it: a number is a listener at which so many wait, a word the state of something else."""
    lines = [TITLE]
    here, there = ADDRESSES[family]
    for slot, row in enumerate(rows):
        state, waiting = ("0A", row) if isinstance(row, int) else (row, 7)
        line = f"{slot:4}: {here}:0050 {there}:0000 {state} 00000000:{waiting:08X} 00:00000000 00000000     0        0 "
        lines.append((line + "4711 1 0000000083452a38 100 0 0 10 0").ljust(149) + "\n")
    return "".join(lines)


def crowded(shell: Sequence[str], least: int, *paths: Path) -> list[bool]:
    """What the shell says of each table, asked together as in a visit."""
    argv = [*shell, "-c", f'nl="\n"\n{TABLES}heads "$@"; echo "$crowd"', "sh"]
    argv += [word for path in paths for word in (str(path), str(least))]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)
    return [str(path) in done.stdout.split() for path in paths]


CASES: dict[str, tuple[list[int | str], bool]] = {
    "nothing": ([], False),
    "a listener": ([0], False),
    "a queue": ([13], True),
    "one too few": ([12, 12, 12], False),
    "a queue behind others": ([0, 1, 13, ESTABLISHED], True),
    "connections are no queue": ([0, *[ESTABLISHED] * 40], False),
    "a queue beyond the head": ([0] * 20 + [13, ESTABLISHED], True),
    "as many listeners as fit, and no queue": ([0] * 40 + [ESTABLISHED], False),
    "a queue behind half-open ones": ([HALF_OPEN] * 30 + [14], True),
    "half-open ones alone": ([HALF_OPEN] * 30, False),
    "a flood of half-open ones": ([HALF_OPEN] * 400, True),
    "nobody reads what stands behind connections": ([0, ESTABLISHED, 99], False),
}


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
def test_a_queue_is_found_among_listeners_and_never_among_connections(shell: Sequence[str], tmp_path: Path) -> None:
    paths = []
    for number, (rows, _) in enumerate(CASES.values()):
        paths.append(tmp_path / str(number))
        paths[-1].write_text(table(rows))
    assert dict(zip(CASES, crowded(shell, 13, *paths), strict=True)) == {
        name: told for name, (_, told) in CASES.items()
    }


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("behind", [ESTABLISHED, 0])
def test_the_head_of_a_table_is_enough_for_one_listener(family: int, behind: int | str, tmp_path: Path) -> None:
    (tmp_path / "table").write_text(table([3, behind, *[ESTABLISHED] * 9], family))
    ask = f'nl="\n"\n{TABLES}waits() {{ echo read on; return 1; }}\nheads "$1" 4'
    done = subprocess.run(["sh", "-c", ask, "sh", tmp_path / "table"], capture_output=True, text=True, check=True)
    assert done.stdout == ("" if behind == ESTABLISHED else "read on\n")


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
def test_a_table_that_is_gone_is_no_queue(shell: Sequence[str], tmp_path: Path) -> None:
    (tmp_path / "there").write_text(table([20]))
    assert crowded(shell, 1, tmp_path / "gone", tmp_path / "there") == [False, True]


@pytest.mark.parametrize("last", [2, ESTABLISHED], ids=["a queue", "no queue"])
@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
def test_wherever_the_head_is_cut_the_answer_is_that_of_the_whole_table(shell, last: int | str, tmp_path: Path) -> None:
    whole, paths = table([0, 1, 0, HALF_OPEN, 0, 1, 0, 0, last, ESTABLISHED]), []
    assert len(whole) > HEAD + len(TITLE)
    for longer in range(0, len(TITLE), 7):  # a longer title moves the cut through a row
        paths.append(tmp_path / str(longer))
        paths[-1].write_text(whole.replace("\n", " " * longer + "\n", 1))
    assert set(crowded(shell, 2, *paths)) == {last == 2}
