"""One booted part of the fault lab for all tests of a module: ask for `ipvs_lab`, `vrrp_lab`, `queue_lab`…"""

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from bot.demo import Fleet, availability
from bot.demo.faults import heal_all

PEOPLE = {"alice": {"slack": "U0ALICE", "terminal": "alice"}, "bob": {"slack": "U0BOB", "terminal": "bob"}}


async def lab(tmp_path_factory: pytest.TempPathFactory, parts: Sequence[str]) -> AsyncIterator[Fleet]:
    reason = availability(parts)
    if reason is not None:
        pytest.skip(f"no part {', '.join(parts)} of the fault lab on this machine: {reason}")
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
