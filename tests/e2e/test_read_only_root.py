"""The built package runs as nobody in particular, on a machine where nothing can be written but its state and /tmp.

What the image promises, tried without an image: the wheel is built and unpacked into an environment of its own, every
file system is made read-only but two directories, and the bot is served there as a user without a name.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import aiohttp
import pytest

from bot.workspace import LocalSlack

ROOT = Path(__file__).parents[2]
NOBODY = 64_123
PRISON = """
set -eu
mount --make-rprivate /
mount --bind "$STATE" "$STATE"
mount --bind "$SCRATCH" "$SCRATCH"
cut -d' ' -f5 /proc/self/mountinfo | sort -u | while read -r at; do
    case "$at" in "$STATE" | "$SCRATCH") continue ;; esac
    mount -o remount,bind,ro "$at" 2>/dev/null || echo "still writable: $at" >&2
done
exec setpriv --reuid="$NOBODY" --regid="$NOBODY" --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs "$@"
"""


def locked() -> Iterator[Distribution]:
    """The libraries that an installation has, and no other: what only the tests need would hide what is missing."""
    for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE):
        try:
            yield distribution(name)
        except PackageNotFoundError:
            continue  # for another platform, or another Python


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that others may enter. Not pytest's own: each pytest that starts shuts others out of all of them."""
    with tempfile.TemporaryDirectory(prefix="netdiag-wheel-") as made:
        path = Path(made)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="module")
def python(place: Path) -> Path:
    """An interpreter that has the built wheel, and the libraries it needs, and no pip."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place], cwd=ROOT, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--copies", place / "venv"], check=True)
    (site,) = (place / "venv" / "lib").glob("python3*/site-packages")
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    for library in locked():
        for file in sorted({site.joinpath(*part.parts[:1]) for part in library.files or () if part.parts[0] != ".."}):
            if not file.exists():
                file.symlink_to(library.locate_file(file.name))
    return place / "venv" / "bin" / "python"


@pytest.fixture
def prison(python: Path, place: Path) -> dict[str, str]:
    """The environment of a process that may write to two directories; skipped where that cannot be had."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "setpriv", "mount"))):
        pytest.skip("needs root, unshare, setpriv and mount")
    state, scratch, inventory = place / "state", place / "scratch", place / "inventory"
    for path in (state, scratch, inventory):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    for path in (state, scratch):
        os.chown(path, NOBODY, NOBODY)
    (inventory / "hosts.yaml").write_text("hosts: {here: {address: localhost, transport: local, sudo: false}}\n")
    given = {"STATE": str(state), "SCRATCH": str(scratch), "NOBODY": str(NOBODY), "PATH": os.environ["PATH"]}
    image = re.search(r"ENV (.*?)\nVOLUME", (ROOT / "Dockerfile").read_text(), re.DOTALL)
    assert image
    assert "MPLCONFIGDIR=/tmp/matplotlib" in image[1]
    return {
        **given,
        "HOME": "/nonexistent",
        "TMPDIR": str(scratch),
        "MPLCONFIGDIR": str(scratch / "matplotlib"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NETDIAG_STATE": str(state),
        "NETDIAG_INVENTORY": str(inventory),
        "NETDIAG_LOG_FORMAT": "json",
        "NETDIAG_WINDOW": "0.2",
    }


def command(python: Path, *words: str) -> list[str]:
    return ["unshare", "--mount", "sh", "-c", PRISON, "sh", str(python), "-I", *words]


def run(python: Path, env: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(python, *words), env=env, cwd="/", check=False, capture_output=True, text=True)


def test_the_prison_holds(python: Path, prison: dict[str, str]) -> None:
    say = "import os, sys; print(os.getuid()); open(sys.argv[1], 'w')"
    for place in ("/x", "/tmp/x", "/var/tmp/x", "/dev/shm/x", str(python.parent / "x"), str(ROOT / "x")):
        done = run(python, prison, "-c", say, place)
        assert done.stdout.split() == [str(NOBODY)], done.stderr
        assert done.returncode == 1, place
        assert not Path(place).exists()
    assert run(python, prison, "-c", say, f"{prison['STATE']}/x").returncode == 0


def test_the_terminal_reads_a_host_there(python: Path, prison: dict[str, str]) -> None:
    done = run(python, prison, "-m", "bot", "run", "here", "clock", "--format", "json")
    assert done.returncode in (0, 1, 3), done.stderr
    assert '"schema": "netdiag.report/1"' in done.stdout
    assert "still writable" not in done.stderr


def test_a_picture_can_be_drawn_there(python: Path, prison: dict[str, str]) -> None:
    draw = (
        "import io; from matplotlib.backends.backend_agg import FigureCanvasAgg; from matplotlib.figure import Figure\n"
        "figure = Figure(); figure.subplots().set_title('x'); out = io.BytesIO()\n"
        "FigureCanvasAgg(figure).print_png(out); print(out.getvalue()[1:4])"
    )
    done = run(python, prison, "-c", draw)
    assert done.stdout.strip() == "b'PNG'", done.stderr


async def test_the_bot_is_served_there_and_ends_when_told(
    python: Path, prison: dict[str, str], unused_tcp_port: int
) -> None:
    async with await LocalSlack.start(rates=False) as slack:
        env = {
            **prison,
            "NETDIAG_SLACK_BOT_TOKEN": slack.bot_token,
            "NETDIAG_SLACK_APP_TOKEN": slack.app_token,
            "NETDIAG_SLACK_API_URL": slack.api_url,
            "NETDIAG_HTTP_LISTEN": f"127.0.0.1:{unused_tcp_port}",
        }
        bot = await asyncio.create_subprocess_exec(
            *command(python, "-m", "bot", "serve"), env=env, cwd="/", stderr=asyncio.subprocess.PIPE
        )
        try:
            await ready(f"http://127.0.0.1:{unused_tcp_port}/readyz", bot)
            bot.terminate()
            _, said = await asyncio.wait_for(bot.communicate(), 60)
        finally:
            if bot.returncode is None:
                bot.kill()
                await bot.wait()
    assert bot.returncode == 0, said.decode()
    assert b"Traceback" not in said
    assert {"netdiag.db", "audit.key"} <= set(os.listdir(prison["STATE"]))


async def ready(url: str, bot: asyncio.subprocess.Process) -> None:
    said = "nothing"
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            if bot.returncode is not None:
                break
            try:
                async with session.get(url) as answer:
                    said = await answer.text()
                    if answer.status == 200:
                        return
            except aiohttp.ClientError as fault:
                said = str(fault)
            await asyncio.sleep(0.1)
    if bot.returncode is None:
        bot.kill()
    assert bot.stderr is not None
    raise AssertionError(f"{said}\n{(await bot.stderr.read()).decode()}")
