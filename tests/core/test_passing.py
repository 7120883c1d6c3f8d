"""Is it decided for every small value that the code keeps whether it goes with age?"""

import ast
from importlib import import_module
from pathlib import Path

import bot
from bot.core.passing import LASTING, PASSING

ROOT = Path(bot.__file__).parent
KEEPERS = ("journal", "_journal", "store")
CALLS = ("recall", "remember", "replace")


def kinds() -> dict[str, str]:
    """Every kind that a journal is asked for or given in the code, with a place where."""
    found = {}
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS):
                continue
            at = node.func.value
            keeper = at.attr if isinstance(at, ast.Attribute) else getattr(at, "id", "")
            if keeper in KEEPERS and node.args:
                module = ".".join(("bot", *file.relative_to(ROOT).with_suffix("").parts))
                found[_kind(node.args[0], module)] = f"{module}:{node.lineno}"
    return found


def _kind(given: ast.expr, module: str) -> str:
    if isinstance(given, ast.Constant):
        return str(given.value)
    name = given.value if isinstance(given, ast.Starred) else given
    assert isinstance(name, ast.Name), f"{module}: a kind is a constant"
    value = getattr(import_module(module), name.id)
    return str(value[0] if isinstance(given, ast.Starred) else value)


def test_every_kind_goes_or_stays_with_a_reason() -> None:
    used = kinds()
    decided = {**PASSING, **LASTING}
    assert not {kind: where for kind, where in used.items() if kind not in decided}, "name it in core/passing.py"
    assert sorted(decided) == sorted(used | {"halt": ""}), "a kind that nobody keeps is named"
    assert not PASSING.keys() & LASTING.keys()
