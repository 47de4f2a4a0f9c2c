"""Finding constants in files whose groups, names and numbers of modules differ."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence

import h5py

from ..contents.sources import split_reference
from ..errors import MissingObjectError


def constants_of(places: Sequence[str], module: int | None = None) -> dict[str, str]:
    """Name -> ``"file:/path"`` of every dataset in these files or groups, for one module.

    A place is ``FILE``, ``FILE:/GROUP``, a folder, or ``MODULE=`` and one of these;
    ``{module}`` in it stands for the module's number (``{module:02d}``: with two digits).
    The later place wins.
    """
    found: dict[str, str] = {}
    for place in places:
        number, equals, rest = place.partition("=")
        if equals and number.isdecimal():
            if module is not None and int(number) != module:
                continue
            place = rest
        for file, group in _files(place.format(module=module or 0), module):
            found.update(_datasets(file, group, module))
    return found


def module_in(name: str) -> int | None:
    """The number of a detector module that a file's or group's name holds.

    >>> module_in("RAW-R0034-AGIPD07-S00000"), module_in("SPB_DET_AGIPD1M-1"), module_in("Q2M1")
    (7, None, 4)
    """
    if quadrant := re.search(r"Q([1-4])M([1-4])(?!\d)", name):
        return 4 * int(quadrant[1]) + int(quadrant[2]) - 5
    found = re.search(
        r"(?:AGIPD|LPD|DSSC|JNGFR|JF|[Mm]odule[-_ ]?|[Mm]od[-_ ]?)(\d{1,2})(?!\d|[MK])", name
    )
    return int(found[1]) if found else None


def _files(place: str, module: int | None) -> Iterator[tuple[str, str]]:
    name, group = split_reference(place) or (place, "/")
    if not os.path.isdir(name):
        if not os.path.exists(name):
            raise FileNotFoundError(
                f"constants: there is no file or folder {name}: correct its name"
            )
        yield name, group
        return
    files = sorted(glob.glob(os.path.join(name, "*.h5")))
    numbers = {file: module_in(os.path.basename(file)) for file in files}
    chosen = [file for file in files if numbers[file] in (None, module) or module is None]
    if not chosen:
        raise FileNotFoundError(
            f"constants: the folder {name} has no .h5 file for module {module}: name the files, "
            f"for example --constants '{name}/constants-{{module:02d}}.h5'"
        )
    yield from ((file, group) for file in chosen)


def _datasets(name: str, path: str, module: int | None) -> dict[str, str]:
    """Datasets by the name that is theirs, or that of a group with one dataset `data`."""
    found: dict[str, str] = {}

    def visit(relative: str, thing: h5py.Dataset | h5py.Group) -> None:
        parts = relative.split("/")
        numbers = [n for n in map(module_in, parts) if n is not None]
        if not isinstance(thing, h5py.Dataset) or (module is not None and set(numbers) - {module}):
            return
        while len(parts) > 1 and (parts[-1] == "data" or parts[-1].isdecimal()):
            parts.pop()
        found[parts[-1]] = f"{name}:{thing.name}"

    with h5py.File(name, "r") as file:
        group = file.get(path)
        if not isinstance(group, h5py.Group):
            raise MissingObjectError(f"constants: no group {path} in {name}: give FILE:/GROUP")
        group.visititems(visit)
    return found
