"""What the commands share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console

from ..contents.file_names import LINKS

links_option = click.option(
    "--links",
    type=click.Choice(LINKS),
    default="auto",
    show_default=True,
    help="How other files are named: relative ones can move together with the view.",
)
console = Console(highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A line as it is: square brackets in names are no markup."""
    console.print(text, markup=False)


@contextmanager
def errors_for_people(status: int = 1) -> Iterator[None]:
    """Show the sentence of an error instead of a traceback, and end with that status.

    With H5CALIB_TRACEBACK set it is shown: where an error is one of ours.
    """
    try:
        yield
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except Exception as error:
        if os.environ.get("H5CALIB_TRACEBACK"):
            raise
        expected = isinstance(error, (OSError, ValueError, TypeError, KeyError))
        kind = "" if expected else f"{type(error).__name__}: "
        failed = click.ClickException(f"{kind}{error}")
        failed.exit_code = status
        raise failed from error


def split_pairs(pairs: tuple[str, ...], option: str) -> dict[str, str]:
    """The NAME=VALUE arguments of an option that may be given several times."""
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r}: write NAME=VALUE", param_hint=option)
    return dict(pair.split("=", 1) for pair in pairs)
