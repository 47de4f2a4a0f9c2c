"""`h5calib create`: a calibrated dataset from the command line."""

from __future__ import annotations

import os
from typing import Any

import click
import h5py

from .. import Constant, algorithms, create_calibrated_dataset
from .._layout import LIBVER, open_for_changes
from ._common import console, errors_for_people, split_pairs


@click.command()
@click.argument("view", type=click.Path(dir_okay=False))
@click.option("--name", default="calibrated", show_default=True, help="Path of the new dataset.")
@click.option("--raw", required=True, metavar="FILE:/PATH", help="Raw data; a path alone: in VIEW.")
@click.option("--algorithm", required=True, help="jungfrau, agipd, pedestal, cell_pedestal, ...")
@click.option(
    "--constant",
    "constants",
    multiple=True,
    metavar="NAME=FILE:/PATH[@AXES]",
    help="A constant; AXES are letters of c (cell), s (stage), y, x, slowest first.",
)
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="A parameter.")
@click.option("--cell-ids", metavar="FILE:/PATH", help="Memory cell of each raw frame.")
@click.option("--chunks", metavar="N,N,N", help="Shape of the chunks.")
@click.option("--dtype", default="f4", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace a dataset of that name.")
@click.option("--comment", help="Text kept with the dataset.")
def create(
    view: str,
    name: str,
    raw: str,
    algorithm: str,
    constants: tuple[str, ...],
    options: tuple[str, ...],
    cell_ids: str | None,
    chunks: str | None,
    dtype: str,
    overwrite: bool,
    comment: str | None,
) -> None:
    """Create a calibrated dataset in the file VIEW, which is made if it is not there.

    \b
    h5calib create view.h5 --raw raw.h5:/data/raw --algorithm jungfrau \\
        --constant pedestal=dark.h5:/pedestal --constant gain=gain.h5:/gains \\
        --option photon_energy=9.2 --option invalid_gain=nan
    """
    with errors_for_people():
        calibration = _calibration(algorithm, constants, options)
        shape = tuple(int(n) for n in chunks.split(",")) if chunks else None
        existed = os.path.exists(view)
        try:
            opened = open_for_changes(view) if existed else h5py.File(view, "x", libver=LIBVER)
            with opened as file:
                dataset = create_calibrated_dataset(
                    *(file, name, raw, calibration),
                    cell_ids=cell_ids,
                    chunks=shape,
                    dtype=dtype,
                    overwrite=overwrite,
                    comment=comment,
                )
                made = f"{view}:{dataset.name} {dataset.shape} {dataset.dtype} in chunks of "
                made += str(dataset.chunks)
        except BaseException:
            if not existed and os.path.exists(view):
                os.unlink(view)
            raise
    console.print(made)


def _calibration(algorithm: str, constants: tuple[str, ...], options: tuple[str, ...]) -> Any:
    known = algorithms()
    if algorithm not in known:
        raise ValueError(f"no algorithm {algorithm!r}: choose one of {', '.join(known)}")
    given: dict[str, Any] = {}
    for name, text in split_pairs(constants, "--constant").items():
        source, _, axes = text.partition("@")
        given[name] = Constant(source, axes or None)
    for name, text in split_pairs(options, "--option").items():
        given[name] = _value(text)
    return known[algorithm](**given)


def _value(text: str) -> Any:
    """A number, true or false, or a word."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text) if text.lower() != "nan" else text
    except ValueError:
        return text
