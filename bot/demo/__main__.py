"""How is a fleet had, broken, healed and looked into by hand?

python -m bot.demo up DIR [--hosts N] [--parts ipvs,vrrp] [--detach]
python -m bot.demo break FAULT · heal [FAULT] · exec HOST -- WORD... · list · down
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from bot.demo import control
from bot.demo.faults import FAULTS
from bot.demo.fleet import Fleet
from bot.demo.machine import FleetError
from bot.demo.parts import PARTS

Given = argparse.Namespace
START: Final = 120.0  # seconds


async def keep(directory: Path, hosts: int, parts: list[str]) -> None:
    """Keep a fleet until interrupted."""
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    async with Fleet.up(directory, hosts=hosts, parts=parts) as fleet, control.serving(fleet):
        for name, node in fleet.hosts.items():
            print(f"{name:10} {node.address:15} {node.role.labels['role']}")
        for word in fleet.weak:
            print(f"weaker here: {word}")
        options = f"-i {fleet.inventory_dir}/id_ed25519 -o UserKnownHostsFile={fleet.inventory_dir}/known_hosts"
        print(f"ssh {options} netdiag@{next(iter(fleet.hosts.values())).address}")
        print("Ctrl-C takes it down", flush=True)
        await over.wait()


def up(given: Given) -> None:
    """Have a fleet in a directory; one that is there already will do."""
    there = [each for each in control.running() if each.directory == given.directory.resolve()]
    if there:
        print(f"a fleet is up in {given.directory}: process {there[0].owner}")
    elif given.detach:
        detach(given.directory)
    else:
        asyncio.run(keep(given.directory, given.hosts, [part for part in given.parts.split(",") if part]))


def detach(directory: Path) -> None:
    """Let a process of its own keep the fleet; what it says goes to a log in its directory."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "fleet.log"
    argv = [sys.executable, "-m", "bot.demo", *(word for word in sys.argv[1:] if word != "--detach")]
    with log.open("w") as text:
        keeper = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=text, stderr=text, start_new_session=True)
    deadline = time.monotonic() + START
    while keeper.poll() is None and time.monotonic() < deadline:
        if any(each.owner == keeper.pid for each in control.running()):
            print(log.read_text(), end="")
            return
        time.sleep(0.1)
    if keeper.poll() is None:
        keeper.terminate()
    raise FleetError(log.read_text().strip() or f"the fleet did not come up in {START:.0f} s")


def ask(given: Given, **what: Any) -> dict[str, Any]:
    """Ask the fleet that was meant."""
    return asyncio.run(control.ask(control.chosen(given.directory), **what))


def break_(given: Given) -> None:
    """Make a fault."""
    ask(given, do="break", fault=given.fault)
    print(f"{FAULTS[given.fault].host}: {FAULTS[given.fault].shows}")


def heal(given: Given) -> None:
    """Take a fault back, or all."""
    ask(given, do="heal", fault=given.fault)


def execute(given: Given) -> None:
    """Run a command on a host as root, not over sshd."""
    stdin = "" if sys.stdin.isatty() else sys.stdin.read()
    done = ask(given, do="exec", host=given.host, argv=given.words, stdin=stdin, within=given.within)
    sys.stdout.write(done["out"])
    sys.stderr.write(done["err"])
    sys.exit(done["code"])


def down(given: Given) -> None:
    """Take fleets down: the one meant, or all. None is fine too."""
    for each in control.running():
        if given.directory is None or each.directory == given.directory.resolve():
            control.end(each)


def list_(given: Given) -> None:
    """Say what can be broken, and what is up and broken."""
    for fault in FAULTS.values():
        kind = "harmless" if fault.harmless else ""
        print(f"{fault.name:28} {fault.part:7} {fault.host:9} {kind:8}  {fault.shows}")
    for each in control.running():
        if given.directory is None or each.directory == given.directory.resolve():
            state = asyncio.run(control.ask(each, do="list"))
            print(f"\nup in {each.directory}; broken: {', '.join(state['broken']) or 'nothing'}")
            for name, (address, role) in state["hosts"].items():
                print(f"  {name:10} {address:15} {role}")


def record(_: Given) -> None:
    """Renew the recordings that stand in where no fleet can be had."""
    from bot.demo.recorder import renew  # noqa: PLC0415 - the bot's probes and its SSH, which no other word needs

    asyncio.run(renew())


WORDS: Final[Mapping[str, Callable[[Given], None]]] = {
    "up": up,
    "break": break_,
    "heal": heal,
    "exec": execute,
    "list": list_,
    "down": down,
    "record": record,
}


def arguments() -> Given:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m bot.demo", description=__doc__)
    words = parser.add_subparsers(required=True, dest="word")
    made = {name: words.add_parser(name, help=word.__doc__) for name, word in WORDS.items()}
    made["up"].add_argument("directory", type=Path, help="where its inventory goes")
    made["up"].add_argument("--hosts", type=int, default=4)
    made["up"].add_argument("--parts", default="", help="comma list of " + ", ".join(PARTS))
    made["up"].add_argument("--detach", action="store_true", help="return when it is up")
    made["break"].add_argument("fault", choices=list(FAULTS), metavar="FAULT")
    made["heal"].add_argument("fault", choices=list(FAULTS), metavar="FAULT", nargs="?")
    made["exec"].add_argument("--within", type=float, default=60.0, metavar="SECONDS")
    made["exec"].add_argument("host")
    made["exec"].add_argument("words", nargs="+", metavar="WORD")
    for name in ("break", "heal", "exec", "list", "down"):
        made[name].add_argument("--in", dest="directory", type=Path, metavar="DIR", help="which fleet, if not the only")
    return parser.parse_args()


def main() -> None:
    """Parse and do."""
    if os.environ.get("PYTHONPATH") is None:  # a keeper that is detached finds the same code
        os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    given = arguments()
    try:
        WORDS[given.word](given)
    except (FleetError, ValueError) as fault:
        sys.exit(f"netdiag demo: {fault}")


if __name__ == "__main__":
    main()
