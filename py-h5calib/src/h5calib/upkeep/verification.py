"""Whether a calibrated dataset is still made of what it was made of."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass

import h5py
import numpy as np

from ..contents.descriptor import Descriptor
from ..contents.layout import read_descriptor
from ..contents.sources import Source
from ..creating.write import digest_of
from .rebuilding import rebuild, sources_of
from .sampling import differing_chunk, read_a_chunk

SAMPLES = 8
_OTHERS = "is not the data that the calibrated dataset was made with"  # as the plugin says it


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    `ok` is None where nothing was recorded to compare with, and False where it changed, or where
    `checked` is False: it is missing, or cannot be read here.
    """

    what: str
    ok: bool | None
    message: str
    checked: bool = True


def verify(dataset: h5py.Dataset, values: bool = False, samples: int = SAMPLES) -> list[Finding]:
    """Compare a calibrated dataset's raw data and constants with their recorded digests.

    Parameters
    ----------
    dataset : h5py.Dataset
        A calibrated dataset.
    values : bool
        Compute chunks anew with the NumPy reference, in the dataset's own precision: they must
        be the same bit for bit.
    samples : int
        How many chunks, evenly spread.

    Returns
    -------
    list of Finding
        All is well where none has `ok` False. The one called "reading" says whether a chunk could
        be read, by the plugin, as any program would.

    Examples
    --------
    >>> import h5py, h5calib, numpy as np
    >>> f = h5py.File("verify.h5", "w", driver="core", backing_store=False)
    >>> f["raw"], f["dark"] = np.arange(8, dtype="u2").reshape(2, 2, 2), np.ones((2, 2))
    >>> pedestal = h5calib.Pedestal(f["dark"])
    >>> dataset = h5calib.create_calibrated_dataset(f, "calibrated", "raw", pedestal)
    >>> f["dark"][0, 0] = 2
    >>> [finding.message for finding in h5calib.verify(dataset) if finding.ok is False]
    ['has other values than when the dataset was created']
    """
    descriptor = read_descriptor(dataset)
    if descriptor is None:
        old = Finding("all", None, "made by the first h5calib, which recorded no digests")
        return [old, _read(dataset)]
    with ExitStack() as files:
        sources = sources_of(dataset, descriptor, files)
        recorded = _recorded(dataset)
        found = [_compare(what, source, recorded.get(what, {})) for what, source in sources.items()]
        found.append(_read(dataset))
        if values and any(isinstance(source, Exception) for source in sources.values()):
            why = "cannot be computed: something is missing"
            found.append(Finding("values", False, why, checked=False))
        elif values:
            found.append(_compare_values(dataset, descriptor, sources, samples))
    return found


def _read(dataset: h5py.Dataset) -> Finding:
    """What reading says: of raw data or constants that are others, that they are."""
    try:
        read_a_chunk(dataset)
    except OSError as error:
        return Finding("reading", False, f"is refused: {error}", checked=_OTHERS in str(error))
    return Finding("reading", True, "is possible, a chunk was read")


def _compare_values(
    dataset: h5py.Dataset, descriptor: Descriptor, sources: dict[str, Source], samples: int
) -> Finding:
    try:
        calibration = rebuild(dataset, descriptor, sources)
        wrong = differing_chunk(dataset, descriptor, calibration, sources, samples)
    except (OSError, ValueError) as error:  # what changed can be the reason
        return Finding("values", False, f"cannot be computed: {error}", checked=False)
    return Finding("values", wrong is None, wrong or "as the NumPy reference")


def _recorded(dataset: h5py.Dataset) -> dict[str, dict]:
    """Digests, and shapes and dtypes of constants, as they were at creation."""
    texts = {
        name: dataset.attrs.get(f"h5calib_{name}", b"").decode()
        for name in ("raw_sha256", "cell_ids", "constants")
    }
    found = {f"constant {k}": v for k, v in json.loads(texts["constants"] or "{}").items()}
    found["cell_ids"] = json.loads(texts["cell_ids"] or "{}")
    found["raw"] = {"sha256": texts["raw_sha256"] or None}
    return found


def _compare(what: str, source: Source | Exception, recorded: dict) -> Finding:
    if isinstance(source, Exception):
        return Finding(what, False, f"is missing: {source}", checked=False)
    shape, dtype = list(source.data.shape), str(np.dtype(source.data.dtype))
    if recorded.get("shape", shape) != shape:
        return Finding(what, False, f"has shape {shape}, it had {recorded['shape']}")
    if recorded.get("dtype", dtype) != dtype:
        return Finding(what, False, f"has dtype {dtype}, it had {recorded['dtype']}")
    if not recorded.get("sha256"):
        return Finding(what, None, "is there; no digest was recorded")
    try:
        digest = digest_of(source.data)
    except OSError as error:  # a filter that is not installed, a damaged file
        return Finding(what, False, f"cannot be read: {error}", checked=False)
    if digest != recorded["sha256"]:
        return Finding(what, False, "has other values than when the dataset was created")
    return Finding(what, True, "as recorded")
