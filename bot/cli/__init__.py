"""What does `netdiag` do when it is typed in a terminal?

Exit status: 0 healthy or done, 1 a finding or a change not done, 2 a usage or configuration error,
3 something unknown or unreachable.
"""

import sys

import typer

from bot import __version__
from bot.core.errors import NetdiagError

cli = typer.Typer(
    name="netdiag",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="The network doctor on call for Linux fleets. "
    "Reads hosts over SSH, names the cause, proposes a fix, applies it once approved, and proves that it worked.",
    epilog="Try it without Slack or a fleet: netdiag demo",
)

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def _version(show: bool) -> None:
    if show:
        print(f"netdiag {__version__}")
        raise typer.Exit


@cli.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Typer needs a callback to hold options of the bare command."""


def main() -> None:
    """Entry point of the `netdiag` command: expected errors are told in a sentence, exit status 2."""
    from bot.cli import commands  # noqa: F401, PLC0415 - registering the commands imports typer's friends only

    try:
        cli()
    except NetdiagError as error:
        print(f"netdiag: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
