"""The files of a European XFEL run, through EXtra-data: which module's data is where."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ...errors import MissingObjectError, NotInstalledError

_SOURCE = re.compile(
    r"(?P<detector>[^/]+)/DET/(?:(?P<xtdf>\d+)CH\d*:xtdf|JNGFR(?P<jungfrau>\d+):daqOutput)$"
)
_KINDS = {"AGIPD": "agipd", "LPD": "lpd", "DSSC": "dssc", "JF": "jungfrau", "JUNGFRAU": "jungfrau"}
# group, pixels, ids of entries
_XTDF = "image", "data", ("trainId", "pulseId", "cellId")
_JUNGFRAU = "data", "adc", ("trainId", "memoryCell", "frameNumber")


@dataclass(frozen=True, eq=False)
class Part:
    """The data of one module in one file. `keys` are (train, pulse) of `entries`, in order."""

    source: str
    module: int
    file: str
    group: str
    pixels: str
    beside: tuple[str, ...]
    entries: np.ndarray
    keys: np.ndarray

    @property
    def path(self) -> str:
        return f"{self.group}/{self.pixels}"

    @property
    def cells(self) -> str:
        return f"{self.group}/{'cellId' if self.pixels == 'data' else 'memoryCell'}"


@dataclass(frozen=True, eq=False)
class Run:
    """The modules of one detector in a run."""

    detector: str
    kind: str
    parts: list[Part]  # by module, then by time

    def modules(self) -> dict[int, list[Part]]:
        """Parts by the number of their module."""
        numbers = sorted({part.module for part in self.parts})
        return {n: [part for part in self.parts if part.module == n] for n in numbers}


def open_run(path: str, detector: str | None = None) -> Run:
    """Find the modules of a detector in a run's folder or in one file of it."""
    with _collection(path) as data:
        found = _detectors(data.instrument_sources)
        name = _choose(path, found, detector)
        parts = [
            part
            for source, module in sorted(found[name].items(), key=lambda item: item[1])
            for part in _parts(data, source, module)
        ]
    return Run(name, _kind(name), parts)


def _collection(path: str) -> Any:
    """EXtra-data's view of the files. Its RunDirectory would keep a map of them in the folder."""
    try:
        from extra_data import DataCollection
    except ImportError as error:
        raise NotInstalledError(
            "files of the European XFEL are read with EXtra-data: pip install 'h5calib[euxfel]'"
        ) from error
    files = sorted(glob.glob(os.path.join(path, "*.h5"))) if os.path.isdir(path) else [path]
    files = [file for file in files if not os.path.basename(file).startswith("overview")]
    if not files:
        raise FileNotFoundError(f"the folder {path} has no .h5 file: give the folder of a run")
    return DataCollection.from_paths([os.path.abspath(file) for file in files])


def _detectors(sources: Any) -> dict[str, dict[str, int]]:
    """Detector -> source -> number of the module."""
    found: dict[str, dict[str, int]] = {}
    for source in sources:
        if match := _SOURCE.match(source):
            number = int(match["xtdf"] or match["jungfrau"])
            found.setdefault(match["detector"], {})[source] = number
    return found


def _choose(path: str, found: dict[str, Any], detector: str | None) -> str:
    if detector is None and len(found) == 1:
        return next(iter(found))
    if detector in found:
        return str(detector)
    has = ", ".join(sorted(found)) or "none (AGIPD, LPD, DSSC, JUNGFRAU)"
    raise MissingObjectError(f"detectors in {path}: {has}; say which with --detector")


def _kind(detector: str) -> str:
    for letters, kind in _KINDS.items():
        if letters in detector.upper():
            return kind
    raise ValueError(
        f"{detector}: not known what detector this is: use --raw FILE:/PATH with --algorithm"
    )


def _parts(data: Any, source: str, module: int) -> list[Part]:
    group, pixels, beside = _XTDF if source.endswith(":xtdf") else _JUNGFRAU
    key = data[source, f"{group}.{pixels}"]
    files = sorted(key.files, key=lambda f: (f.train_ids[0] if len(f.train_ids) else 0, f.filename))
    path = f"INSTRUMENT/{source}/{group}"
    return [_part(f, source, module, path, pixels, beside) for f in files]


def _part(access: Any, source: str, module: int, path: str, pixels: str, ids: Any) -> Part:
    firsts, counts = access.get_index(source, path.rpartition("/")[2])
    counts = counts.astype("i8")
    spans = [np.arange(f, f + n) for f, n in zip(firsts.astype("i8"), counts, strict=True)]
    entries = np.concatenate(spans) if spans else np.zeros(0, "i8")
    trains = np.repeat(access.train_ids, counts)
    with h5py.File(access.filename, "r") as file:
        beside = tuple(name for name in ids if name in file[path])
        pulses = np.zeros(len(entries), "u8")
        if "pulseId" in beside:
            pulses = file[f"{path}/pulseId"][()].reshape(-1)[entries]
    keys = np.stack([trains, pulses], 1).astype("u8")
    return Part(source, module, access.filename, f"/{path}", pixels, beside, entries, keys)
