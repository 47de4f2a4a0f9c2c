"""`h5calib create`: calibrated datasets from the command line."""

from __future__ import annotations

from typing import Any

import click
import h5py

from .. import Constant, algorithms, create_calibrated_dataset
from ..binding import algorithms as _algorithms
from ..binding.algorithms import OPTIONAL
from ..contents.sources import split_reference
from ..files import LAYOUTS, guess, plan_view, write_view
from ..files.euxfel.constants import mask_name
from ..files.euxfel.files import write_run
from ..files.view import refuse_raw_file
from .common import errors_for_people, links_option, say, split_pairs
from .frames import HELP as FRAMES_HELP
from .frames import parse_frames
from .target import opened_view

_LAYOUTS = ("auto", "plain", *LAYOUTS)
_EUXFEL = ("modules", "gain_from", "per_file", "per_module", "parallel_gain")
_WITH_FILES = ("detector", "constants", *_EUXFEL)


@click.command()
@click.argument("view", type=click.Path())
@click.option("--raw", required=True, metavar="PATH", help="File, run folder, or FILE:/PATH.")
@click.option("--layout", type=click.Choice(_LAYOUTS), default="auto", show_default=True)
@click.option("--detector", help="Of several: its name, or the path of a NeXus field.")
@click.option(
    "--constants",
    multiple=True,
    metavar="[MODULE=]PLACE",
    help="File, folder or FILE:/GROUP; {module:02d} stands for a module's number.",
)
@click.option("--mask", metavar="FILE:/PATH", help="Instead of the mask among the constants.")
@click.option("--frames", metavar="FRAMES", help=FRAMES_HELP)
@click.option("--modules", metavar="N,N,..", help="European XFEL: only these modules.")
@click.option(
    "--gain-from", type=click.Choice(["bits", "dataset"]), help="European XFEL's JUNGFRAU."
)
@click.option("--parallel-gain", is_flag=True, help="European XFEL's LPD.")
@click.option(
    "--per-module", is_flag=True, help="European XFEL: VIEW is a folder of views, one a module."
)
@click.option(
    "--per-file", is_flag=True, help="European XFEL: VIEW is a folder of views, one a raw file."
)
@click.option("--name", default="calibrated", show_default=True, help="plain: the new dataset.")
@click.option("--algorithm", help="plain: jungfrau, agipd, pedestal, cell_pedestal, ...")
@click.option(
    "--constant",
    "single",
    multiple=True,
    metavar="NAME=FILE:/PATH[@AXES]",
    help="plain: AXES are letters of c (cell), s (stage), y, x, slowest first.",
)
@click.option("--cell-ids", metavar="FILE:/PATH", help="plain: memory cell of each raw frame.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="A parameter.")
@click.option("--chunks", metavar="N,N,N", help="Shape of the chunks.")
@click.option("--dtype", help="f4 (default), f8, or an integer with rounding.")
@click.option("--digest-raw", is_flag=True, help="Record a digest of the raw data, which is read.")
@links_option
@click.option("--overwrite", is_flag=True, help="Replace datasets of that name.")
@click.option("--comment", help="Text kept with the datasets.")
@click.option("--into-data", is_flag=True, help="VIEW may be a file that holds data itself.")
def create(view: str, **given: Any) -> None:
    """Create calibrated datasets in the file VIEW, which is made if it is not there.

    The layout of the files is guessed and told: runs of the European XFEL, JUNGFRAU files of
    SwissFEL, NeXus. Everything can be said instead. With --algorithm it is one dataset (plain).

    \b
    h5calib create view.h5 --raw r0034 --constants 'calcat/agipd-{module:02d}.h5'
    h5calib create view.h5 --raw run7.JF07T02V01.h5 --constants pedestal.h5 --constants gains.h5
    h5calib create view.h5 --raw scan.nxs
    h5calib create view.h5 --raw raw.h5:/data/raw --algorithm jungfrau \\
        --constant pedestal=dark.h5:/pedestal --constant gain=gain.h5:/gains \\
        --option photon_energy=9.2 --option invalid_gain=nan
    """
    with errors_for_people():
        chunks = tuple(int(n) for n in given["chunks"].split(",")) if given["chunks"] else None
        names = ("dtype", "digest_raw", "overwrite", "comment", "links")
        common = {"chunks": chunks, **{name: given[name] for name in names}}
        given["frames"] = parse_frames(given["frames"])
        for line in (_plain if _is_plain(given) else _layout)(view, given, common):
            say(line)


def _is_plain(given: dict[str, Any]) -> bool:
    layout, single = given["layout"], given["algorithm"] or given["single"] or given["cell_ids"]
    if layout not in ("auto", "plain") and single:
        raise ValueError(
            f"--layout {layout} finds its algorithm and constants itself: leave out --algorithm, "
            "--constant and --cell-ids, or use --layout plain"
        )
    return layout == "plain" or bool(single) or (layout == "auto" and _names_dataset(given["raw"]))


def _names_dataset(raw: str) -> bool:
    return split_reference(raw) is not None


def _plain(view: str, given: dict[str, Any], common: dict[str, Any]) -> list[str]:
    """One dataset that is named in full."""
    if wrong := [f"--{name.replace('_', '-')}" for name in _WITH_FILES if given[name]]:
        raise ValueError(
            f"{', '.join(wrong)}: not for a single dataset; leave out --algorithm or "
            "the path in --raw to have the layout of the file used"
        )
    if not given["algorithm"]:
        raise ValueError(
            f"--raw {given['raw']} is a single dataset: add --algorithm "
            f"({', '.join(algorithms())}) and its --constant NAME=FILE:/PATH"
        )
    calibration = _calibration(given)
    with opened_view(view, given["into_data"]) as file:
        dataset = create_calibrated_dataset(
            *(file, given["name"], given["raw"], calibration),
            cell_ids=given["cell_ids"],
            frames=given["frames"],
            **common,
        )
        return [_made(view, dataset)]


def _layout(view: str, given: dict[str, Any], common: dict[str, Any]) -> list[str]:
    """All datasets of a layout."""
    layout, notes = given["layout"], []
    if layout == "auto":
        layout, why = guess.guess_layout(given["raw"])
        notes = [f"guessed: layout {layout}, {why}"]
    options = _layout_options(layout, given)
    if given["per_file"] and given["per_module"]:
        raise ValueError("--per-file and --per-module: choose one of them")
    if given["per_file"] or given["per_module"]:
        per = "file" if given["per_file"] else "module"
        found, paths = write_run(view, given["raw"], options, per, **common)
        return [*notes, *(f"found: {note}" for note in found), *paths]
    planned = plan_view(given["raw"], layout, **options)
    notes += [f"found: {note}" for note in planned.notes]
    refuse_raw_file(view, planned)  # before it is opened for writing
    with opened_view(view, given["into_data"]) as file:
        return notes + [_made(view, dataset) for dataset in write_view(file, planned, **common)]


def _layout_options(layout: str, given: dict[str, Any]) -> dict[str, Any]:
    options = {name: given[name] for name in ("constants", "detector", "mask", "frames")}
    if layout == "euxfel":
        numbers = given["modules"]
        options["modules"] = [int(n) for n in numbers.split(",")] if numbers else None
        options |= {name: given[name] for name in ("gain_from", "parallel_gain")}
    elif wrong := [name for name in _EUXFEL if given[name]]:
        raise ValueError(f"--{wrong[0].replace('_', '-')} is for --layout euxfel, not {layout}")
    return {**options, **_parameters(given)}


def _calibration(given: dict[str, Any]) -> Any:
    known, algorithm = algorithms(), given["algorithm"]
    if algorithm not in known:
        raise ValueError(f"no algorithm {algorithm!r}: choose one of {', '.join(known)}")
    table = _algorithms.by_name(algorithm).constants
    arguments: dict[str, Any] = {n: None for n, c in table.items() if not c.flags & OPTIONAL}
    for name, text in split_pairs(given["single"], "--constant").items():
        source, axes = _with_axes(text)
        arguments[name] = Constant(source, axes)
    if given["mask"]:
        arguments[mask_name(algorithm)] = given["mask"]
    return known[algorithm](**arguments, **_parameters(given))


def _with_axes(text: str) -> tuple[str, str | None]:
    """FILE:/PATH and AXES of FILE:/PATH[@AXES]; an @ in a name is none of these letters.

    >>> _with_axes("me@home/dark.h5:/d@xycs"), _with_axes("me@home/dark.h5:/d")
    (('me@home/dark.h5:/d', 'xycs'), ('me@home/dark.h5:/d', None))
    """
    source, at, axes = text.rpartition("@")
    return (source, axes) if at and axes and not set(axes) - set("csyx") else (text, None)


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    pairs = split_pairs(given["options"], "--option")
    return {name: _value(text) for name, text in pairs.items()}


def _made(view: str, dataset: h5py.Dataset) -> str:
    chunks = f"in chunks of {dataset.chunks}" if dataset.chunks else "virtual"
    return f"{view}:{dataset.name} {dataset.shape} {dataset.dtype} {chunks}"


def _value(text: str) -> Any:
    """A number, true or false, or a word."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text) if text.lower() != "nan" else text
    except ValueError:
        return text
