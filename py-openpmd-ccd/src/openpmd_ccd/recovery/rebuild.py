"""A scan written anew from records of its shots and the bytes they point to."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..calibration.mesh import set_of
from ..calibration.settings import CalibrationSet
from ..errors import RecoveryError
from ..reading.pixels import PixelSource, identities, is_chunked
from ..writing import attributes
from ..writing.checksum import checksum
from ..writing.hdf5 import ScanFile, write_plane
from ..writing.journal import Record, as_tuples
from ..writing.shot import Form, Plane, Settings, Shot, Storage


@dataclass
class Piece:
    """A shot to be written: its records as in a journal, and the file with its bytes."""

    record: Record
    form: Record
    path: Path


def form_of(record: Record) -> Form:
    """The `Form` of a journal record."""
    settings = Settings(**{k: as_tuples(v) for k, v in record["settings"].items()})
    return Form(
        tuple(record["components"]), tuple(record["axes"]), tuple(record["shape"]),
        record["dtype"], settings,
    )  # fmt: skip


def _root(texts: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {"openPMDextension": np.uint32(0), attributes.SHOTS: np.int64(-1)}
    return values | {k: attributes.as_text(v) for k, v in texts.items()}


def rebuild(
    new: Path, texts: Mapping[str, str], filters: tuple[Any, ...], pieces: Sequence[Piece],
    sets: Mapping[int, Record], old: Path, lock: str, count: int,
) -> None:  # fmt: skip
    """Write the shots of `pieces` to the file `new`.

    texts: attributes of the file; filters: those of the journal's chunks, used again;
    sets: records of calibration sets, whose constants are in the file `old`; count: number of
    shots that the file should have, if it is known (else -1).
    """
    storage = Storage(filters)
    scan = ScanFile(new, _root(texts), storage, overwrite=True, lock=lock)
    sources = {path: PixelSource(path, filters) for path in {old, *(p.path for p in pieces)}}
    try:
        made = {k: set_of(record, _constants(sources[old], record)) for k, record in sets.items()}
        for piece in pieces:
            _copy(scan, storage, sources[piece.path], piece, made)
        scan.finish(count)
        scan.sync()
    finally:
        for source in sources.values():
            source.close()
        scan.close()


def _constants(source: PixelSource, record: Record) -> dict[str, dict[str, Plane | None]]:
    """Arrays of a calibration set, by group and name."""
    return {
        group: {name: source.plane(place["at"], place) for name, place in places.items()}
        for group, places in record["constants"].items()
    }


def _copy(
    scan: ScanFile, storage: Storage, source: PixelSource, piece: Piece,
    sets: Mapping[int, CalibrationSet],
) -> None:  # fmt: skip
    form, record = form_of(piece.form), piece.record
    places = dict(zip(form.components, record["at"], strict=True))
    shot = Shot(record["shot"], record["time"], {}, form.axes, form.settings)
    shot.metadata = record.get("meta", {})
    shot.calibration = sets.get(record.get("set", 0))

    def pixels(component: str) -> Plane:
        plane = source.plane(places[component], piece.form)
        if plane is None:
            raise RecoveryError(f"pixels of shot {shot.number} have gone while they were copied")
        return plane

    def write(dataset: Any, component: str) -> None:
        place = places[component]
        if is_chunked(place) and storage.filters:
            for offset, mask, data, _ in source.chunks(place):
                dataset.write_direct_chunk(offset, data, mask)
        else:
            write_plane(dataset, pixels(component))

    sums = [
        place[0]
        if str(place[0]).startswith("x:")
        else checksum(np.ascontiguousarray(pixels(component)), belongs_to)
        for (component, place), belongs_to in zip(
            places.items(), identities(record, piece.form), strict=True
        )
    ]
    scan.put(shot, scan.templates.get(form), sums, write)


def copy_file(path: Path, kept: Path) -> None:
    """Give a file a second name, or copy it: at every moment one file is called `path`."""
    import shutil

    try:
        os.link(path, kept)
    except OSError:  # a file system without hard links
        shutil.copyfile(path, kept)
