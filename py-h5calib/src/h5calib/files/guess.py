"""Which layout files have, and the view that follows."""

from __future__ import annotations

import glob
import os
from typing import Any

import h5py

from .euxfel import plan as euxfel
from .nexus import plan as nexus
from .psi import swissfel
from .view import View

LAYOUTS = {"euxfel": euxfel.view, "swissfel": swissfel.view, "nexus": nexus.view}


def guess_layout(raw: str) -> tuple[str, str]:
    """The layout of a file or folder, and why it is that one.

    Parameters
    ----------
    raw : path of a file, or of the folder of a run
    """
    if not os.path.exists(raw):
        raise FileNotFoundError(f"raw data: there is no file or folder {raw}: correct its name")
    if os.path.isdir(raw):
        files = sorted(glob.glob(os.path.join(raw, "*.h5")))
        if not files:
            raise FileNotFoundError(f"raw data: the folder {raw} has no .h5 file")
        raw = files[0]
    with h5py.File(raw, "r") as file:
        if "INSTRUMENT" in file and "INDEX" in file:
            return "euxfel", "it has the groups INSTRUMENT and INDEX"
    if found := swissfel.detectors(raw):
        return "swissfel", f"it has data/{found[0]}/data"
    if found := nexus.fields(raw):
        return "nexus", f"{found[0]} has an offset or scaling factor beside it"
    raise ValueError(
        f"{raw} has none of the layouts {', '.join(LAYOUTS)}: name the dataset, --raw FILE:/PATH, "
        "with --algorithm and --constant; or say which with --layout"
    )


def plan_view(raw: str, layout: str | None = None, **options: Any) -> View:
    """What to create for raw data of a layout, which is guessed where none is given.

    Parameters
    ----------
    raw : path of a file, or of the folder of a run
    layout : {"euxfel", "swissfel", "nexus"}, optional
    **options
        Of the layout's function `view`: `constants`, `detector`, `mask`, `frames` and the
        parameters of the algorithm.
    """
    notes = []
    if layout is None:
        layout, why = guess_layout(raw)
        notes = [f"layout {layout}: {why}"]
    elif layout not in LAYOUTS:
        raise ValueError(f"no layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    if layout != "euxfel" and os.path.isdir(raw):
        raise ValueError(f"{raw} is a folder: layout {layout} needs the name of a file")
    planned = LAYOUTS[layout](raw, **options)
    return View(planned.entries, [*notes, *planned.notes], planned.finish)
