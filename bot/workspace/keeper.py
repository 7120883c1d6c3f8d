"""Who owns what goes on in the background? One task group, from start to stop."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


class Keeper:
    """Runs background work until `stop`. Work that crashes is logged and kept in `failures`; it stops no other."""

    def __init__(self) -> None:
        self.failures: list[BaseException] = []
        self._work: asyncio.Queue[Coroutine[Any, Any, object]] = asyncio.Queue()
        self._root: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; call inside a running loop."""
        # The one task without a group around it: it is the group, and `stop` awaits it.
        self._root = asyncio.get_running_loop().create_task(self._keep())

    def later(self, work: Coroutine[Any, Any, object]) -> None:
        """Do this soon, in the background."""
        self._work.put_nowait(work)

    async def stop(self) -> None:
        """Cancel what is under way and wait until it has ended."""
        if self._root is None:
            return
        self._root.cancel()
        await asyncio.gather(self._root, return_exceptions=True)
        while not self._work.empty():
            self._work.get_nowait().close()

    async def _keep(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._guarded(await self._work.get()))

    async def _guarded(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except Exception as bug:
            log.exception("workspace.background_failed")
            self.failures.append(bug)
