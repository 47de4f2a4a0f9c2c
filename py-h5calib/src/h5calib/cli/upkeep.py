"""`h5calib relink`, `new-identity` and `clean`."""

from __future__ import annotations

import click
import h5py

from ..contents.layout import opened_for_changes
from ..contents.sources import split_reference
from ..errors import MissingObjectError
from ..upkeep import identity, relinking
from .common import console, errors_for_people, links_option, split_pairs

_FILE = click.Path(exists=True, dir_okay=False)


@click.command()
@click.argument("dataset", metavar="FILE:/PATH")
@click.option("--raw", metavar="FILE:/PATH", help="Where the raw data is now.")
@click.option("--constant", "constants", multiple=True, metavar="NAME=FILE:/PATH")
@links_option
@click.option("--changed", is_flag=True, help="Take constants that have other values now.")
def relink(
    dataset: str, raw: str | None, constants: tuple[str, ...], links: str, changed: bool
) -> None:
    """Tell a calibrated dataset where its raw data or constants are now."""
    place = split_reference(dataset)
    if place is None:
        raise click.BadParameter(f"{dataset!r}: write FILE:/PATH", param_hint="DATASET")
    given = split_pairs(constants, "--constant")
    with errors_for_people(), opened_for_changes(place[0]) as file:
        if not isinstance(file.get(place[1]), h5py.Dataset):
            raise MissingObjectError(f"no dataset {place[1]} in {place[0]}")
        relinking.relink(file[place[1]], raw, given, links, changed)
    console.print(f"{dataset}: linked anew")


@click.command("new-identity")
@click.argument("file", type=_FILE)
def new_identity(file: str) -> None:
    """Give a byte copy of a file an identity of its own.

    Needed where the copy is changed and both are open in one process.
    """
    with errors_for_people():
        identity.new_identity(file)
    console.print(f"{file}: has a new identity")


@click.command()
@click.argument("file", type=_FILE)
def clean(file: str) -> None:
    """Remove what deleted calibrated datasets left behind."""
    with errors_for_people():
        removed = identity.clean(file)
    console.print(f"{file}: {len(removed)} configurations removed")
