"""A view file for each module of a run, or for each raw file with everything else in it linked.

EXtra-data reads the folder of views of raw files like a run of calibrated data.
"""

from __future__ import annotations

import os
from typing import Any

import h5py

from ...contents.layout import LIBVER
from ..view import View, link_to, write_view
from .plan import Made, finisher, plan_run, stack_all
from .run import Part

OVERVIEW = "overview.h5"
PER = ("file", "module")
_NAMED = ("constants", "detector", "mask", "modules", "gain_from", "frames")


def write_run(
    folder: str, raw: str, given: dict[str, Any], per: str = "file", **options: Any
) -> tuple[list[str], list[str]]:
    """Create the view files of a run's detector: what was found, and their paths.

    ``overview.h5`` among them has one virtual dataset over all modules. Where one file fails, none
    is left.

    Parameters
    ----------
    folder : where the view files are to be, another one than the run's
    raw, given : run and arguments of `h5calib.files.euxfel.plan.view`
    per : {"file", "module"}
        A view for each raw file, ``CORR-...``, or for each module, ``<detector>_module07.h5``.
    **options
        Of `h5calib.create_calibrated_dataset`.
    """
    if per not in PER:
        raise ValueError(f"per={per!r} is not possible: choose one of {', '.join(PER)}")
    parallel = bool(given.get("parallel_gain"))
    ours = {name: given.get(name) for name in _NAMED}
    ours["constants"] = ours["constants"] or ()
    if per == "file" and (parallel or ours["frames"] is not None):
        raise ValueError(
            "a view of a raw file has all its frames, as the index of the run has them: choose "
            "frames or parallel gain in one view, or in one for each module"
        )
    rest = {name: v for name, v in given.items() if name not in (*_NAMED, "parallel_gain")}
    split = per == "file"
    run, made, notes = plan_run(raw, parallel_gain=parallel, parameters=rest, split=split, **ours)
    groups: dict[str, list[Made]] = {}
    for one in made:
        part = one.strand.part
        name = view_name(part.file) if split else f"{run.detector}_module{part.module:02d}.h5"
        groups.setdefault(os.path.join(folder, name), []).append(one)
    return notes, _write_files(folder, groups, run.detector, split, **options)


def _write_files(
    folder: str, groups: dict[str, list[Made]], detector: str, rest: bool, **options: Any
) -> list[str]:
    links = options.get("links", "auto")
    os.makedirs(folder, exist_ok=True)
    overview = os.path.join(folder, OVERVIEW)
    for path in (*groups, overview):
        if os.path.exists(path):
            raise FileExistsError(f"{path} exists: choose another folder, or remove it")
    written: list[str] = []
    try:
        for path, made in groups.items():
            with h5py.File(path, "x", libver=LIBVER) as file:
                written.append(path)
                entries = [one.entry for one in made]
                write_view(file, View(entries, [], finisher(detector, made, False)), **options)
                if rest:
                    _link_the_rest(file, made[0].strand.part, links)
        with h5py.File(overview, "x", libver=LIBVER) as file:
            written.append(overview)
            pieces = [
                (one.strand.label, one.piece(path, detector))
                for path, made in groups.items()
                for one in made
            ]
            stack_all(file, detector, pieces, links=links)
    except BaseException:
        for path in written:
            os.unlink(path)
        raise
    return written


def view_name(raw: str) -> str:
    """The name of the view of a raw file: CORR- in place of RAW-.

    >>> view_name("r0034/RAW-R0034-AGIPD07-S00000.h5")
    'CORR-R0034-AGIPD07-S00000.h5'
    """
    name = os.path.basename(raw)
    return "CORR-" + name.removeprefix("RAW-")


def _link_the_rest(file: h5py.File, part: Part, links: str) -> None:
    """Links to all that is in the raw file, wherever the view has nothing of that name."""
    with h5py.File(part.file, "r") as raw:
        _link_missing(file, raw, file["/"], links)


def _link_missing(file: h5py.File, raw: h5py.File, group: h5py.Group, links: str) -> None:
    for name in raw[group.name]:
        path = f"{group.name.rstrip('/')}/{name}"
        inside = group.get(name, getlink=True)
        if inside is None:
            group[name] = link_to(file, f"{raw.filename}:{path}", links)
        elif isinstance(inside, h5py.HardLink) and isinstance(group[name], h5py.Group):
            _link_missing(file, raw, group[name], links)
