"""What do the tests of the store share? A PostgreSQL server, for those that want one."""

from collections.abc import Iterator

import pytest

from tests.adapters.store.databases import cluster, missing


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a server; without one the test is skipped, with the reason."""
    if why := missing():
        pytest.skip(why)
    with cluster() as url:
        yield url
