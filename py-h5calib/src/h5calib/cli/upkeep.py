"""`h5calib relink`, `new-identity` and `clean`."""

from __future__ import annotations

from contextlib import ExitStack

import click
import h5py

from ..contents.layout import opened_for_changes
from ..contents.sources import split_reference
from ..errors import MissingObjectError
from ..upkeep import identity, moving, relinking
from .common import errors_for_people, links_option, say, split_pairs

_FILE = click.Path(exists=True, dir_okay=False)


@click.command()
@click.argument("view", metavar="VIEW[:/PATH]")
@click.option("--raw", metavar="FILE:/PATH", help="Where the raw data is now.")
@click.option("--cell-ids", metavar="FILE:/PATH", help="Where the cell ids are now.")
@click.option("--constant", "constants", multiple=True, metavar="NAME=FILE:/PATH")
@click.option(
    "--moved", multiple=True, metavar="OLD=NEW", help="Of everything linked: a file or folder."
)
@links_option
@click.option("--changed", is_flag=True, help="Take data that has other values now.")
def relink(
    view: str,
    raw: str | None,
    cell_ids: str | None,
    constants: tuple[str, ...],
    moved: tuple[str, ...],
    links: str,
    changed: bool,
) -> None:
    """Tell calibrated datasets where their raw data, constants and cell ids are now.

    Of one dataset, or with --moved of all that a view, or a folder of views, links to. Data with
    another fingerprint or digest is refused unless --changed says so, and a chunk is read before
    this says that it is done.

    \b
    h5calib relink view.h5:/calibrated --raw /archive/run7.h5:/data/raw
    h5calib relink views --moved /gpfs/p1234=/pnfs/p1234
    """
    given = split_pairs(constants, "--constant")
    single = bool(raw or cell_ids or given)
    place = split_reference(view)
    if place is None and not moved:
        raise click.BadParameter(f"{view!r}: write FILE:/PATH", param_hint="VIEW")
    with errors_for_people():
        if single == bool(moved):
            raise click.UsageError("give --moved, or some of --raw, --cell-ids and --constant")
        if moved:
            pairs = [moving.Moved.parse(text) for text in moved]
            for path, count in moving.relink_moved(view, pairs, links, changed).items():
                say(f"{path}: {count} links lead to the new place")
            return
        file_name, path = (str(place.file), place.path) if place else (view, "/")

        named = [*given, *(["raw"] if raw else []), *(["cell_ids"] if cell_ids else [])]
        missing: list[str] = []

        def check() -> None:
            with h5py.File(file_name, "r") as file:
                missing.extend(relinking.read_if_all_is_there(file[path], named))

        with opened_for_changes(file_name, check) as file, ExitStack() as undo:
            if not isinstance(file.get(path), h5py.Dataset):
                raise MissingObjectError(f"no dataset {path} in {file_name}")
            relinking.relink_only(
                file[path],
                {"raw": raw, "cell_ids": cell_ids},
                given,
                links=links,
                changed=changed,
                undo=undo,
            )
            undo.pop_all()
    say(f"{view}: linked anew")
    if missing:
        say(f"it cannot be read yet: {', '.join(missing)} not found, relink it, too")


@click.command("new-identity")
@click.argument("file", type=_FILE)
def new_identity(file: str) -> None:
    """Give a byte copy of a file an identity of its own.

    Needed where the copy is changed and both are open in one process.
    """
    with errors_for_people():
        identity.new_identity(file)
    say(f"{file}: has a new identity")


@click.command()
@click.argument("file", type=_FILE)
def clean(file: str) -> None:
    """Remove what deleted calibrated datasets left behind."""
    with errors_for_people():
        removed = identity.clean(file)
    say(f"{file}: {len(removed)} configurations removed")
