"""`h5calib constants`: constants from dark runs."""

from __future__ import annotations

import os
from typing import Any

import click
import numpy as np
from rich.progress import Progress

from ..contents.whole import replaced
from ..darks import (
    BadPixelRule,
    Dark,
    Statistics,
    bad_pixels,
    statistics_of,
    with_stages,
    write_constants,
)
from ..darks.find import find_darks
from ..darks.frames import number_of_cells
from ..darks.picture import draw
from ..darks.statistics import frames_to_read
from ..darks.store import WRITERS
from .common import console, errors_for_people, say

_RULE = BadPixelRule()
_RECORDED = ("clip", "passes", "offset_sigma", "noise_sigma", "stages", "missing_value")


@click.command()
@click.argument("out", type=click.Path(dir_okay=False))
@click.option(
    "--dark",
    "runs",
    multiple=True,
    required=True,
    metavar="[STAGE=]PATH",
    help="Run folder, file or FILE:/PATH. STAGE: gain stage of the whole run (0, 1, 2).",
)
@click.option(
    "--layout", type=click.Choice(list(WRITERS)), help="Of OUT; default: that of the darks."
)
@click.option("--detector", help="Of several: its name.")
@click.option("--modules", metavar="N,N,..", help="European XFEL: only these modules.")
@click.option("--cell-ids", metavar="FILE:/PATH", help="For --dark FILE:/PATH.")
@click.option(
    "--kind",
    type=click.Choice(["pedestal", "jungfrau", "agipd", "lpd", "dssc"]),
    help="For --dark FILE:/PATH: where its gain stage is. Default: pedestal, it has none.",
)
@click.option("--cells", type=int, help="Number of memory cells; default: those there are.")
@click.option("--stages", metavar="N,N,..", help="Make only these gain stages; default: all.")
@click.option(
    "--missing-value",
    multiple=True,
    type=int,
    help="Raw value that is none, like a lost packet's. Default: JUNGFRAU 65535, 16384, 49152.",
)
@click.option(
    "--clip",
    default=5.0,
    show_default=True,
    help="Leave out values so many robust sigmas from their pixel's median.",
)
@click.option(
    "--passes",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="1: no clipping, 3: twice, ...",
)
@click.option("--offset-sigma", default=_RULE.offset_sigma, show_default=True, help="Bad beyond.")
@click.option("--noise-sigma", default=_RULE.noise_sigma, show_default=True, help="Bad beyond.")
@click.option("--picture", metavar="FILE.png", help="Draw pedestal, noise and bad pixels.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
def constants(out: str, runs: tuple[str, ...], **given: Any) -> None:
    """Compute pedestal, noise and bad pixels from dark runs and write them to OUT.

    Frames are read as a stream. The result is what `h5calib create --constants OUT` takes.

    \b
    h5calib constants dark.h5 --dark 0=r0030 --dark 1=r0031 --dark 2=r0032   (AGIPD, LPD)
    h5calib constants pedestal.h5 --dark dark.JF07T02V01.h5                  (JUNGFRAU)
    h5calib constants dark.h5 --dark dark.h5:/data/raw
    """
    with errors_for_people():
        if os.path.exists(out) and not given["overwrite"]:
            raise FileExistsError(f"{out} exists: give --overwrite, or another name")
        layout, found = _read(runs, given)
        layout = given["layout"] or layout
        about = {"darks": list(runs), **{name: given[name] for name in _RECORDED}}
        about["left_out"] = {str(number): s.left_out for number, (s, _) in found.items()}
        made = _write(out, layout, found, about)
        if given["picture"]:
            draw(given["picture"], found)
    for number, (statistics, bad) in found.items():
        where = "" if number is None else f"module {number}: "
        for why, count in statistics.left_out.items():
            say(f"{where}left out: {count} {why}")
        shares = ", ".join(
            f"{share:.2%}" if values.any() else "left out"
            for share, values in zip(
                (bad != 0).mean(axis=(0, 2, 3)), statistics.count.swapaxes(0, 1), strict=True
            )
        )
        say(f"{where}bad pixels by gain stage: {shares}")
    say(f"{out}: {layout}, {', '.join(made)}")


def _read(
    runs: tuple[str, ...], given: dict[str, Any]
) -> tuple[str, dict[int | None, tuple[Statistics, np.ndarray]]]:
    """The layout of the dark runs; statistics and bad pixels by module."""
    modules = [int(n) for n in given["modules"].split(",")] if given["modules"] else None
    stages = [int(n) for n in given["stages"].split(",")] if given["stages"] else None
    darks = find_darks(
        runs,
        given["detector"],
        modules,
        given["kind"],
        given["cell_ids"],
        given["missing_value"] or None,
    )
    for note in darks.notes:
        say(f"found: {note}")
    rule = BadPixelRule(given["offset_sigma"], given["noise_sigma"])
    found: dict[int | None, tuple[Statistics, np.ndarray]] = {}
    with Progress(console=console, transient=True) as progress:
        for number, those in darks.modules.items():
            name = "dark frames" if number is None else f"module {number}"
            measured = _measure(progress, name, those, darks.stages, given)
            result, notes = with_stages(measured, stages)
            for note in notes:
                say(f"{name}: {note}")
            found[number] = result, bad_pixels(result, rule)
    return darks.layout, found


def _measure(
    progress: Progress, name: str, darks: list[Dark], stages: int, given: dict[str, Any]
) -> Statistics:
    cells, passes = given["cells"] or number_of_cells(darks), given["passes"]
    task = progress.add_task(name, total=frames_to_read(darks, cells))
    return statistics_of(
        darks,
        cells,
        stages,
        given["clip"],
        passes,
        lambda frames: progress.advance(task, frames),
    )


def _write(out: str, layout: str, found: Any, about: dict[str, Any]) -> list[str]:
    """Written beside first, so that a failure leaves an old file."""
    with replaced(out) as temporary:
        return write_constants(temporary, layout, found, about)
