"""Read all shots of a scan, all their pixels, and print what was found: a process of its own.

A JSON object on stdin names the file, its journal (or null), shots to leave out, and for
extraction a scratch file, into which the pixels of the given shots are put. Lines of JSON on
stdout: what the file says of itself, then "begin" and the result for each shot, so that whoever
reads them knows where HDF5 crashed. Exit code 1: HDF5 cannot open the file at all.
"""

import json
import sys
from typing import IO, Any

import h5py
import numpy as np

from ..calibration.mesh import MESH, SETS
from ..reading.h5 import in_order, plain
from ..writing import attributes
from ..writing.checksum import checksum, identity, matches
from ..writing.compression import make_readable
from ..writing.journal import Contents, Record, read_journal
from ..writing.shot import SCALAR, Plane
from ..writing.swmr import LIVE, TABLES, stack_name
from .overlay import Overlay

SOUND, UNVERIFIED, DAMAGED = "sound", "unverified", "damaged"
_STANDARD = {"time", "dt", "timeUnitSI"}
_SETTINGS = {
    "ccdResolution": "resolution",
    "ccdROI": "roi",
    "ccdExposureTime": "exposure_time",
    "bit_depth_readout": "bit_depth",
    "saturation_value": "saturation_value",
}
#: objects at the root of a scan that a rebuilt file has again, or does not need
_KNOWN = {"data", SETS, LIVE, "h5calib"}


class DamagedError(Exception):
    """Why a shot of the file cannot be used."""


def about(file: h5py.File, journal: Contents) -> Record:
    """What the file says of itself."""
    values = {name: file.attrs[name] for name in file.attrs}
    shots = values.get(attributes.SHOTS)
    live = file[LIVE]["number"][()].tolist() if LIVE in file else []
    names = list(file["data"])
    return {
        "texts": {k: plain(v) for k, v in values.items() if isinstance(v, (bytes, str))},
        "shots": None if shots is None else int(shots),
        "names": names + [str(n) for n in live if str(n) not in names],
        "strange": sorted(set(file) - _KNOWN),
        "sets": {number: _set_is_whole(file, record) for number, record in journal.sets.items()},
    }


def _set_is_whole(file: h5py.File, record: Record) -> bool:
    """Whether the constants of a calibration set are in the file as the journal has them."""
    try:
        group = file[SETS][str(record["set"])]
        return all(
            matches(np.ascontiguousarray(group[part][name][()]), place["at"][0])
            for part, places in record["constants"].items()
            for name, place in places.items()
        )
    except (OSError, KeyError, RuntimeError, ValueError):
        return False


def _planes(record: Any) -> dict[str, h5py.Dataset]:
    """Datasets of a record by component."""
    if isinstance(record, h5py.Dataset):
        return {SCALAR: record}
    return {name: record[name] for name in in_order(record)}


def _settings(values: Record) -> Record:
    return {name: plain(values[key]) for key, name in _SETTINGS.items() if key in values}


def _form(planes: dict[str, h5py.Dataset], mesh: Record) -> Record:
    first = next(iter(planes.values()))
    if any(p.shape != first.shape or p.dtype != first.dtype for p in planes.values()):
        raise DamagedError("its components differ in shape or type")
    return {
        "components": list(planes), "axes": plain(mesh["axisLabels"]),
        "shape": list(first.shape), "dtype": first.dtype.str, "settings": _settings(mesh),
    }  # fmt: skip


class Shots:
    """The shots of an open file, each compared with its checksums and its journal."""

    def __init__(self, file: h5py.File, journal: Contents) -> None:
        self._file = file
        self._journal = {record["shot"]: record for record in journal.shots}
        self._forms = journal.forms
        # without a checksum only in files that were written before there was one
        self._old = attributes.SHOTS not in file.attrs

    def result(self, name: str, scratch: IO[bytes] | None = None) -> Record:
        """What is known of a shot; its pixels are put into `scratch` where one is given."""
        try:
            stacked = name not in self._file["data"]
            found, planes, sums = self._stacked(int(name)) if stacked else self._iteration(name)
            expected = self._journal.get(found["record"]["shot"])
            if expected is not None:
                self._compare(found, expected)
            states = [
                self._check(found, index, plane, sums[index], scratch)
                for index, plane in enumerate(planes.values())
            ]
            found["state"] = UNVERIFIED if UNVERIFIED in states else SOUND
            return found
        except (DamagedError, OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
            why = " ".join(str(error).split())
            number = int(name) if name.isdigit() else None
            return {"state": DAMAGED, "why": why, "record": {"shot": number}}

    def _iteration(self, name: str) -> tuple[Record, dict[str, Any], list[Any]]:
        group = self._file["data"][name]
        values = {key: group.attrs[key] for key in group.attrs}
        if not set(values) >= _STANDARD:
            raise DamagedError(f"attributes {sorted(_STANDARD - set(values))} are missing")
        meshes = group[attributes.MESHES]
        record = meshes[attributes.RECORD]
        mesh = {key: record.attrs[key] for key in record.attrs}
        planes = _planes(record)
        meta = {k: plain(v) for k, v in values.items() if k not in _STANDARD}
        found = {"shot": int(name), "time": float(values["time"]), "meta": meta, "at": []}
        if MESH in meshes:
            found["set"] = _set_of(meshes[MESH], planes)
        return (
            {"record": found, "form": _form(planes, mesh)},
            planes,
            [dataset.attrs.get(attributes.CHECKSUM) for dataset in planes.values()],
        )

    def _stacked(self, number: int) -> tuple[Record, dict[str, Any], list[Any]]:
        """A shot in the stacks of a scan whose SWMR writer was killed."""
        live = self._file[LIVE]
        index = live["number"][()].tolist().index(number)
        names = set(live) - set(TABLES)
        components = [SCALAR] if names == {stack_name(SCALAR)} else in_order(names)
        stacks = [live[stack_name(c)] for c in components]
        planes = {c: stack[index] for c, stack in zip(components, stacks, strict=True)}
        sums = live["checksum"][index].tolist() if "checksum" in live else [None] * len(stacks)
        form = {
            "components": components, "axes": ["page", "y", "x"][-(stacks[0].ndim - 1) :],
            "shape": list(stacks[0].shape[1:]), "dtype": stacks[0].dtype.str, "settings": {},
        }  # fmt: skip
        record = {"shot": number, "time": float(live["time"][index]), "meta": {}, "at": []}
        return {"record": record, "form": form, "bare": True}, planes, sums

    def _compare(self, found: Record, expected: Record) -> None:
        """An error where the file's shot is not the one of the journal."""
        if found.get("bare"):
            raise DamagedError("its iteration is not written yet")
        form = self._forms.get(expected["as"])
        differ = [
            k for k in ("components", "shape", "dtype") if form and form[k] != found["form"][k]
        ]
        if found["record"]["time"] != expected["time"]:
            differ.append("time")
        if found["record"].get("set") != expected.get("set"):
            differ.append("calibration")
        if differ:
            raise DamagedError(f"{', '.join(differ)} differ from the journal")

    def _check(
        self, found: Record, index: int, plane: Any, own: Any, scratch: IO[bytes] | None
    ) -> str:
        """State of a plane; all of its pixels are read."""
        record, form = found["record"], found["form"]
        pixels = _read(plane)
        belongs_to = identity(
            number=record["shot"], time=record["time"], component=form["components"][index],
            shape=form["shape"], dtype=form["dtype"],
        )  # fmt: skip
        expected = self._journal.get(record["shot"])
        place = expected["at"][index] if expected else [None]
        wanted = plain(own) if own is not None else place[0]
        if own is not None and str(place[0]).startswith("x:") and place[0] != wanted:
            raise DamagedError("its checksum is not that of the journal")
        if wanted is None and not self._old:
            raise DamagedError("it has no checksum")
        if wanted is not None and not matches(pixels, wanted, belongs_to):
            raise DamagedError("its pixels do not have their checksum")
        if scratch is not None:
            record["at"].append([checksum(pixels, belongs_to), scratch.tell()])
            scratch.write(pixels.data)
        if wanted is None and not _chunks_match(plane, place):
            return UNVERIFIED
        return SOUND


def _set_of(mesh: Any, planes: dict[str, h5py.Dataset]) -> int:
    """Number of the constants' set of a calibrated mesh that fits `raw`."""
    parts = _planes(mesh)
    if {k: p.shape for k, p in parts.items()} != {k: p.shape for k, p in planes.items()}:
        raise DamagedError("its calibrated mesh does not fit")
    return int(plain(mesh.attrs["ccdCalibration"]).rpartition("/")[2])


def _read(plane: Any) -> Plane:
    """All pixels; an error where the file has no room for them, which HDF5 gives as zeros."""
    if not isinstance(plane, h5py.Dataset):
        return np.ascontiguousarray(plane)
    if not plane.size:
        raise DamagedError("it has no pixels")
    make_readable(plane)
    if plane.chunks is not None:
        count = np.prod([-(-n // c) for n, c in zip(plane.shape, plane.chunks, strict=True)])
        if plane.id.get_num_chunks() < count:
            raise DamagedError("chunks of it are missing")
    elif not plane.is_virtual and plane.id.get_offset() is None and not plane.external:
        raise DamagedError("its pixels were never written")
    return np.ascontiguousarray(plane[()])


def _chunks_match(plane: Any, place: list[Any]) -> bool:
    """Whether the stored chunks have the checksums of a journal of format 1."""
    if not isinstance(plane, h5py.Dataset) or plane.chunks is None or len(place) < 2:
        return False
    try:
        return all(
            matches(plane.id.read_direct_chunk(tuple(offset))[1], expected)
            for offset, _, _, _, expected in place[1:]
        )
    except (OSError, RuntimeError, ValueError):
        return False


def _open(task: Record) -> h5py.File:
    if task["plain"]:
        return h5py.File(task["path"], "r", locking=False)
    return h5py.File(Overlay(task["path"]), "r")


def _say(record: Record) -> None:
    print(json.dumps(record), flush=True)


def main() -> int:
    """Read stdin, print the lines; the exit code says whether the file can be opened."""
    task = json.load(sys.stdin)
    journal = read_journal(task["journal"]) if task["journal"] else Contents()
    try:
        with _open(task) as file:
            root = about(file, journal)
            _say({"about": root})
            shots = Shots(file, journal)
            if task["scratch"]:
                with open(task["scratch"], "ab") as scratch:
                    for name in task["only"]:
                        _say(shots.result(name, scratch))
                return 0
            for name in root["names"]:
                if name not in task["skip"]:
                    _say({"begin": name})
                    _say(shots.result(name))
    except Exception as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
