"""A calibration made anew from what a file holds, to compute its values once more."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import h5py

from ..binding import algorithms as _algorithms
from ..calibration.base import Calibration, Constant, class_of
from ..contents.descriptor import MISSING_VALUE, Descriptor
from ..contents.layout import home_of
from ..contents.sources import Source, open_source


def sources_of(
    dataset: h5py.Dataset, descriptor: Descriptor, files: ExitStack
) -> dict[str, Source | Exception]:
    """Raw data, cell ids and constants by name; where one cannot be opened, the error.

    Raw files are opened read-only, also where the view is open for writing.
    """
    home = home_of(dataset, descriptor)
    wanted = {"raw": (home, "raw"), "cell_ids": (home, "cell_ids")}
    wanted |= {f"constant {name}": (home["constants"], name) for name in home["constants"]}
    found: dict[str, Source | Exception] = {}
    for what, (group, name) in wanted.items():
        if group.get(name, getlink=True) is None:
            continue
        try:
            found[what] = open_source(group, name, what, files)
        except (OSError, KeyError, TypeError) as error:
            found[what] = error
    return found


def parameters_of(algorithm: _algorithms.Algorithm, descriptor: Descriptor) -> dict[str, Any]:
    """Parameters by their names, as the classes of algorithms take them."""
    names = {spec.index: name for name, spec in algorithm.parameters.items()}
    named: dict[str, Any] = {
        names.get(index, f"parameter {index}"): value
        for index, value in descriptor.parameters
        if index < MISSING_VALUE
    }
    if descriptor.missing_values:
        named["missing_value"] = list(descriptor.missing_values)
    return named


def rebuild(
    dataset: h5py.Dataset, descriptor: Descriptor, sources: dict[str, Source | Exception]
) -> Calibration:
    """The calibration of a dataset, with its constants where they are now."""
    algorithm = _algorithms.by_id(descriptor.algorithm)
    cls = class_of(algorithm.name)
    if cls is None:
        raise ValueError(f"this h5calib has no class for {algorithm.name}: update it")
    group = home_of(dataset, descriptor)["constants"]
    constants = {}
    for name in group:
        axes = group.attrs[f"axes_{name}"]
        source = sources[f"constant {name}"]
        constants[name] = Constant(source.data, axes.decode() if isinstance(axes, bytes) else "")
    parameters = parameters_of(algorithm, descriptor)
    return cls.of_parts(constants, {**parameters, "unwritten": descriptor.unwritten})
