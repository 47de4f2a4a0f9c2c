"""What the commands share."""

from __future__ import annotations

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
def errors_for_people() -> Iterator[None]:
    """Show the sentence of an expected error instead of a traceback."""
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise click.ClickException(str(error)) from error


def split_pairs(pairs: tuple[str, ...], option: str) -> dict[str, str]:
    """The NAME=VALUE arguments of an option that may be given several times."""
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r}: write NAME=VALUE", param_hint=option)
    return dict(pair.split("=", 1) for pair in pairs)
