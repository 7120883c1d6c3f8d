"""Which hosts does TARGET mean?

A comma list of terms: a host (by name or address), a group, `label=value`, a glob over host names (the value of a
label may be a glob too), or `all`; `!term` takes hosts away again. The answer is in inventory order, without doubles.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from bot.core.errors import AskError, nearest
from bot.core.host import Host, Inventory
from bot.core.text import neutral

ALL = "all"
_GLOB = frozenset("*?[")


def select(inventory: Inventory, target: str) -> tuple[Host, ...]:
    """The hosts that `target` means. Raises AskError, with the nearest name, for a term that means none."""
    terms = [term.strip() for term in target.split(",") if term.strip()]
    if not terms:
        raise AskError(f"no target: name a host, a group, label=value, a glob or {ALL}{_some(inventory)}")
    wanted = [term for term in terms if not term.startswith("!")] or [ALL]
    chosen = {name for term in wanted for name in _meant(inventory, term)}
    for term in terms:
        if term.startswith("!"):
            chosen -= set(_meant(inventory, term[1:].strip()))
    if not chosen:
        raise AskError(f"no host is left of {neutral(target)!r}: every host it names is taken away again by !")
    return tuple(host for name, host in inventory.hosts.items() if name in chosen)


def covers(selector: str, host: Host) -> bool:
    """Whether a selector of the policy or of a window takes in `host`: the same terms, a term that means no host is no
    fault.
    """
    terms = [term.strip() for term in selector.split(",") if term.strip()]
    wanted = [term for term in terms if not term.startswith("!")] or [ALL][: len(terms)]
    unwanted = [term[1:].strip() for term in terms if term.startswith("!")]
    return any(means(term, host) for term in wanted) and not any(means(term, host) for term in unwanted)


def means(term: str, host: Host) -> bool:
    """Whether one term (without `!`) takes in `host`."""
    if term == ALL or term in (host.name, host.address) or term in host.groups:
        return True
    label, sign, value = term.partition("=")
    if sign:
        return label in host.labels and fnmatchcase(host.labels[label], value)
    return fnmatchcase(host.name, term)


def _meant(inventory: Inventory, term: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(_matches(inventory, term)))
    if not names:
        raise AskError(_fault(inventory, term))
    return names


def _matches(inventory: Inventory, term: str) -> Iterator[str]:
    hosts = inventory.hosts
    if term == ALL:
        yield from hosts
    if term in hosts:
        yield term
    yield from inventory.groups.get(term, ())
    yield from (name for name, host in hosts.items() if host.address == term)
    key, sign, value = term.partition("=")
    if sign:
        yield from (name for name, host in hosts.items() if key in host.labels and fnmatchcase(host.labels[key], value))
    elif _GLOB & set(term):
        yield from (name for name in hosts if fnmatchcase(name, term))


def _fault(inventory: Inventory, term: str) -> str:
    shown = neutral(term, 80)
    if "=" in term:
        labels = {f"{key}={value}" for host in inventory.hosts.values() for key, value in host.labels.items()}
        return f'no host has the label "{shown}"{nearest(term, labels)}'
    if _GLOB & set(term):
        return f'no host name matches "{shown}"{_some(inventory)}'
    return f'no host or group "{shown}"{nearest(term, (*inventory.hosts, *inventory.groups, ALL))}'


def _some(inventory: Inventory) -> str:
    names = (*inventory.groups, *inventory.hosts)
    return f"; known: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}"  # noqa: PLR2004 - a line's worth
