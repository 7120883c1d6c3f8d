"""One booted part of the fault lab for all tests of a module: ask for `ipvs_lab`, `vrrp_lab`, `queue_lab`…"""

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from bot.demo import Fleet, availability
from bot.demo.faults import heal_all

REPEATS = "--incident-repeats"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(REPEATS, type=int, default=1, help="how often each founding incident is broken, named and cured")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"incident: a founding incident from its break to its cure, see {REPEATS}")
    config.addinivalue_line("markers", "parts(NAME, ...): skipped with the reason where no fleet with them can be had")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Whether a fleet can be had is tried where a test runs, and not by every worker that collects it."""
    for marker in item.iter_markers("parts"):
        can_be_had(marker.args)


def can_be_had(parts: Sequence[str] = ()) -> None:
    """Skip where a fleet with these parts cannot be had, and say why."""
    reason = availability(parts)
    if reason is not None:
        pytest.skip(f"no {', '.join(parts) or 'namespace hosts'} of the fault lab on this machine: {reason}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """An incident's test as often as it was asked for: a repeat that fails is one of its own, by its number."""
    times = metafunc.config.getoption(REPEATS, 1)  # without a path to here, the option is not known
    if times > 1 and metafunc.definition.get_closest_marker("incident"):
        metafunc.fixturenames.append("_turn")
        metafunc.parametrize("_turn", range(1, times + 1), ids=lambda turn: f"turn-{turn}-of-{times}", indirect=True)


@pytest.fixture
def _turn(request: pytest.FixtureRequest) -> int:
    return int(request.param)


PEOPLE = {"alice": {"slack": "U0ALICE", "terminal": "alice"}, "bob": {"slack": "U0BOB", "terminal": "bob"}}


async def lab(tmp_path_factory: pytest.TempPathFactory, parts: Sequence[str]) -> AsyncIterator[Fleet]:
    can_be_had(parts)
    async with Fleet.up(tmp_path_factory.mktemp("lab"), hosts=0, parts=parts, people=PEOPLE) as fleet:
        yield fleet


def fixture(part: str):
    async def up(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
        async for fleet in lab(tmp_path_factory, [part]):
            yield fleet

    return pytest_asyncio.fixture(scope="module", loop_scope="module", name=f"{part}_lab")(up)


ipvs_lab = fixture("ipvs")
vrrp_lab = fixture("vrrp")
queue_lab = fixture("queue")
memory_lab = fixture("memory")
kernel_lab = fixture("kernel")


@pytest_asyncio.fixture(loop_scope="module")
async def healed(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Whatever a test broke is healed after it."""
    yield
    for name in ("ipvs_lab", "vrrp_lab", "queue_lab", "memory_lab", "kernel_lab"):
        if name in request.fixturenames:
            await heal_all(request.getfixturevalue(name))
