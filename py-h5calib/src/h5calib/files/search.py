"""Finding constants in files whose groups, names and numbers of modules differ."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import h5py

from ..contents.sources import split_reference
from ..errors import MissingObjectError
from .walk import datasets_in, identity

_NUMBERED = re.compile(  # not the 1 of AGIPD1M, nor the 07 of SwissFEL's JF07T02V01
    r"(?<![A-Z])(?:AGIPD|LPD|DSSC|JNGFR|JF|MODULE|MOD)[-_ ]?(\d{1,2})(?![\dMKT])", re.IGNORECASE
)
_QUADRANT = re.compile(r"(?<![A-Z])Q([1-4])M([1-4])(?!\d)", re.IGNORECASE)


@dataclass(eq=False)
class ModuleConstants(Mapping[str, str]):
    """Name -> ``"file:/path"`` of the constants of one module.

    Where a name has several candidates, or one that does not say whose it is, taking it is an
    error that says how to choose. `used` are those that were taken.
    """

    module: int
    candidates: dict[str, list[str]] = field(default_factory=dict)
    nobodys: set[str] = field(default_factory=set)  # places without a module, for several
    used: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        places = self.candidates[name]
        if len(places) > 1:
            example = places[-1].removesuffix("/data")
            raise ValueError(
                f"constants: {name} of module {self.module} could be {', '.join(places)}: say "
                f"which, for example with one more --constants {self.module}={example}"
            )
        if places[0] in self.nobodys:
            file = (split_reference(places[0]) or places)[0]
            raise ValueError(
                f"constants: neither {places[0]} nor the name of its file has the number of a "
                f"module, and there are several: say whose it is, --constants {self.module}={file}"
                f", or --constants all={file} if it is that of all"
            )
        self.used[name] = places[0]
        return places[0]

    def __contains__(self, name: object) -> bool:
        return name in self.candidates

    def __iter__(self) -> Iterator[str]:
        return iter(self.candidates)

    def __len__(self) -> int:
        return len(self.candidates)


def find_constants(places: Sequence[str], modules: Sequence[int]) -> dict[int, ModuleConstants]:
    """The constants of each module, by number.

    A place is ``FILE``, ``FILE:/GROUP``, ``FILE:/PATH`` of one constant, a folder, or ``MODULE=``
    or ``all=`` and one of these; ``{module}`` in it stands for the module's number
    (``{module:02d}``: with two digits). Whose a constant is, is seen from the names of groups and
    files. Of what a module has from several places, that from the last one counts.

    Parameters
    ----------
    places : sequence of str
    modules : numbers of the modules

    Raises
    ------
    FileNotFoundError, MissingObjectError
        A place is not there, or a folder has no file.
    ValueError
        A file or group has the number of another module than the place says.
    """
    table = {number: ModuleConstants(number) for number in modules}
    for place in places:
        number, name = _split(place)
        several = "{module" in name
        for module in modules if several else [number]:
            if several and number not in (None, module, ALL):
                continue
            file_or_folder = name.format(module=module) if several else name
            owner = module if several else number
            found = _collected(file_or_folder, owner, list(modules))
            for whose, names in found.items():
                for constant, where in names.items():
                    table[whose].candidates[constant] = [w for w, _ in where]
                    table[whose].nobodys.update(w for w, nobodys in where if nobodys)
    return table


ALL = -1  # the owner of constants that are those of all modules
Places = dict[str, list[tuple[str, bool]]]  # name -> places, and whether nothing says whose


def module_in(name: str) -> int | None:
    """The number of a detector module that a file's or group's name holds.

    >>> module_in("RAW-R0034-AGIPD07-S00000"), module_in("SPB_DET_AGIPD1M-1"), module_in("Q2M1")
    (7, None, 4)
    >>> module_in("agipd-07.h5"), module_in("JNGFR03"), module_in("AGIPD_SIV1_AGIPDV11_M517")
    (7, 3, None)
    """
    if quadrant := _QUADRANT.search(name):
        return 4 * int(quadrant[1]) + int(quadrant[2]) - 5
    found = _NUMBERED.search(name)
    return int(found[1]) if found else None


def _split(place: str) -> tuple[int | None, str]:
    """Whose a place is, by what was said, and the place."""
    number, equals, rest = place.partition("=")
    if equals and (number.isdecimal() or number == "all"):
        return (ALL if number == "all" else int(number)), rest
    return None, place


def _collected(place: str, owner: int | None, modules: list[int]) -> dict[int, Places]:
    """What one place has for each module."""
    name, group = split_reference(place) or (place, "/")
    if not os.path.exists(name):
        raise FileNotFoundError(f"constants: there is no file or folder {name}: correct its name")
    folder = os.path.isdir(name)
    files = sorted(glob.glob(os.path.join(name, "*.h5"))) if folder else [name]
    found: dict[int, Places] = {}
    for file in files:
        number = module_in(os.path.basename(file))
        if owner not in (None, ALL, number) and number is not None and not folder:
            raise ValueError(
                f"constants: the name of {file} has the number of module {number}, and it is given "
                f"for module {owner}: give the file of that module, or rename it"
            )
        for constant, where, whose in _datasets(file, group, number):
            for module, nobodys in _owners(owner, whose, modules):
                found.setdefault(module, {}).setdefault(constant, []).append((where, nobodys))
    if not found and owner in (None, *modules):
        _say_nothing_found(name, folder, files, modules if owner is None else [owner or 0])
    return found


def _owners(owner: int | None, whose: int | None, modules: list[int]) -> Iterator[tuple[int, bool]]:
    """The modules that a dataset is for; and whether that is not known."""
    for module in modules:
        if owner in (None, ALL, module) and whose in (None, module):
            yield module, owner is None and whose is None and len(modules) > 1


def _say_nothing_found(name: str, folder: bool, files: list[str], modules: list[int]) -> None:
    those = f"module {modules[0]}" if len(modules) == 1 else f"the modules {modules}"
    if folder:
        raise FileNotFoundError(
            f"constants: the folder {name} has no .h5 file for {those}: name the files, "
            f"for example --constants '{name}/constants-{{module:02d}}.h5'"
        )
    raise ValueError(
        f"constants: {files[0]} has the constants of module {module_in(os.path.basename(name))}, "
        f"or none, and not of {those}: give the file of that module"
    )


def _datasets(name: str, path: str, in_name: int | None) -> Iterator[tuple[str, str, int | None]]:
    """Constant, place and module of each dataset in a group; of one object once."""
    seen = set()
    with h5py.File(name, "r") as file:
        start = file.get(path)
        if start is None:
            raise MissingObjectError(f"constants: nothing is at {path} in {name}: give FILE:/GROUP")
        inside = [("", start)] if isinstance(start, h5py.Dataset) else datasets_in(start)
        for relative, dataset in inside:
            if identity(dataset) in seen:
                continue
            seen.add(identity(dataset))
            where = f"{path.rstrip('/')}/{relative}".rstrip("/")
            parts = where.strip("/").split("/")
            numbers = {n for n in map(module_in, parts) if n is not None} | (
                set() if in_name is None else {in_name}
            )
            if len(numbers) > 1:
                raise ValueError(
                    f"constants: {name}:{where} has the numbers of the modules "
                    f"{', '.join(map(str, sorted(numbers)))} in its names: say whose it is by "
                    "renaming the file or the group"
                )
            yield _constant_of(parts), f"{name}:{where}", next(iter(numbers), None)


def _constant_of(parts: list[str]) -> str:
    """The name of a constant: its dataset's, or that of the group with `data` or versions.

    >>> _constant_of(["AGIPD07", "Offset", "0", "data"])
    'Offset'
    """
    parts = list(parts)
    while len(parts) > 1 and (parts[-1] == "data" or parts[-1].isdecimal()):
        parts.pop()
    return parts[-1]
