"""Writing a planned dataset so that a failure leaves the file as it was."""

from __future__ import annotations

import hashlib
import json
import uuid
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any

import h5py
import numpy as np

from ..binding import plugin as _plugin
from ..calibration.base import Calibration
from ..contents.descriptor import FILTER_ID, Descriptor
from ..contents.fingerprint import write_fingerprint
from ..contents.layout import FILE_UUID, HOME, filter_words
from ..contents.sources import Source
from ..version import __version__
from .plan import Plan

_DIGEST_BYTES = 64 << 20


def write_plan(group: h5py.Group, plan: Plan) -> None:
    """Write everything; the dataset appears under its name last.

    The dataset is closed at the end: HDF5 asks the filter whether it may write only when a
    dataset is opened anew.
    """
    file, dataset_uuid = group.file, uuid.uuid4()
    with ExitStack() as undo:
        file_uuid = ensure_file_uuid(file, undo)
        home = _create_home(file, dataset_uuid.hex, undo)
        _write_links(home, plan)
        dataset = create_filtered(
            file,
            descriptor_of(plan.calibration, file_uuid, dataset_uuid.bytes),
            shape=plan.shape,
            chunks=plan.chunks,
            dtype=plan.dtype,
        )
        home["dataset"] = dataset
        _plugin.write_stubs(dataset, dataset_uuid.bytes)
        _write_attributes(dataset, plan)
        replaced = put_in_place(group, plan.name, dataset, undo)
        undo.pop_all()
    if replaced is not None:
        remove_home_of(replaced)


def unfiltered(chunks: tuple[int, ...]) -> h5py.h5p.PropDCID:
    """Creation properties of a calibrated dataset, but for the filter."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk(chunks)
    properties.set_attr_phase_change(64, 32)  # attributes of callers, too, stay in the header
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return properties


def create_filtered(
    file: h5py.File,
    descriptor: Descriptor,
    *,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dtype: np.dtype,
) -> h5py.Dataset:
    """A dataset without a name and without chunks, whose only filter is ours."""
    properties = unfiltered(chunks)
    properties.set_filter(FILTER_ID, h5py.h5z.FLAG_MANDATORY, descriptor.encode(create=True))
    # HDF5 has no chunks longer than a fixed axis: an empty axis is one that could grow
    limits = tuple(length or h5py.h5s.UNLIMITED for length in shape)
    space = h5py.h5s.create_simple(shape, limits)
    file_type = h5py.h5t.py_create(dtype, logical=True)
    return h5py.Dataset(h5py.h5d.create(file.id, None, file_type, space, properties))


def put_in_place(
    group: h5py.Group, name: str, dataset: h5py.Dataset, undo: ExitStack
) -> h5py.Dataset | None:
    """Link the dataset under its name; returns the dataset that had it, if there was one."""
    link = group.get(name, getlink=True)
    if link is None:
        undo.callback(remove_path, group, _first_missing(group, name))
        group[name] = dataset
        return None
    old = group[name] if isinstance(link, h5py.HardLink) else None
    del group[name]
    undo.callback(group.__setitem__, name, link if old is None else old)
    undo.callback(remove_path, group, name)
    group[name] = dataset
    return old


def remove_home_of(dataset: h5py.Dataset) -> None:
    """Remove the configuration of a calibrated dataset that no other link leads to."""
    words = filter_words(dataset)
    if words and h5py.h5o.get_info(dataset.id).rc == 1:
        remove_path(dataset.file, f"{HOME}/{Descriptor.decode(words).dataset_uuid.hex()}")


def write_text(target: h5py.Dataset | h5py.Group, name: str, text: str) -> None:
    """A fixed-length UTF-8 attribute, written anew."""
    data = text.encode()
    target.attrs.create(name, data, dtype=h5py.string_dtype("utf-8", len(data)))


def digest_of(data: h5py.Dataset | np.ndarray) -> str:
    """The digest of data that need not fit into memory."""
    if not isinstance(data, h5py.Dataset) or data.ndim == 0:
        return digest(np.asarray(data[()]))
    hashed = hashlib.sha256()
    frame = max(1, data.dtype.itemsize * int(np.prod(data.shape[1:])))
    step = max(1, _DIGEST_BYTES // frame)
    if data.chunks:  # no chunk is read twice where one fits
        step = max(data.chunks[0], step // data.chunks[0] * data.chunks[0])
    for start in range(0, data.shape[0], step):
        values = data[start : start + step]
        little = values.astype(values.dtype.newbyteorder("<"), copy=False)
        hashed.update(np.ascontiguousarray(little))
    return hashed.hexdigest()


def digest(values: np.ndarray) -> str:
    """SHA-256 of the values, little-endian, in the C order of their own axes."""
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(np.ascontiguousarray(little)).hexdigest()


def write_link(home: h5py.Group, name: str, source: Source) -> None:
    """Store the data, contiguous and in its own dtype, or the link to it."""
    if source.link is None:
        home.create_dataset(name, data=np.asarray(source.data, order="C"))
    else:
        home[name] = source.link


def ensure_file_uuid(file: h5py.File, undo: ExitStack) -> bytes:
    if FILE_UUID not in file.attrs:
        undo.callback(file.attrs.pop, FILE_UUID, None)
        file.attrs[FILE_UUID] = np.bytes_(uuid.uuid4().hex.encode())
    return bytes.fromhex(file.attrs[FILE_UUID].decode())


def _create_home(file: h5py.File, name: str, undo: ExitStack) -> h5py.Group:
    path = f"{HOME}/{name}"
    undo.callback(remove_path, file, _first_missing(file, path))
    return file.create_group(path)


def _write_links(home: h5py.Group, plan: Plan) -> None:
    write_link(home, "raw", plan.raw)
    frame_axes, *_ = plan.calibration.algorithm.split_raw_shape(plan.raw.data.shape)
    write_fingerprint(home, "raw", plan.raw, len(frame_axes))
    write_constants(home.create_group("constants"), plan.constants)
    if plan.cell_ids is not None:
        write_link(home, "cell_ids", plan.cell_ids)
    if plan.frames is not None:
        home.create_dataset("frames", data=plan.frames)


def write_constants(group: h5py.Group, constants: dict[str, tuple[Source, str]]) -> None:
    """Store constants, or the links to them, with the orders of their axes."""
    for name, (source, axes) in constants.items():
        write_link(group, name, source)
        write_fingerprint(group, name, source)
        if axes:
            group.attrs[f"axes_{name}"] = np.bytes_(axes.encode())
        else:
            group.attrs[f"axes_{name}"] = h5py.Empty("S1")


def _write_attributes(dataset: h5py.Dataset, plan: Plan) -> None:
    for name, text in attribute_texts(plan).items():
        write_text(dataset, name, text)


def attribute_texts(plan: Plan) -> dict[str, str]:
    """The attributes of the dataset that are for people."""
    algorithm = plan.calibration.algorithm
    constants = {
        name: describe_constant(source, axes) for name, (source, axes) in plan.constants.items()
    }
    texts = {
        "algorithm": f"{algorithm.name} version {algorithm.version}",
        "raw": plan.raw.text,
        "parameters": json.dumps(plan.calibration.words()),
        "constants": json.dumps(constants),
        "created_by": f"h5calib {__version__}",
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    if plan.digest_raw:
        texts["raw_sha256"] = digest_of(plan.raw.data)
    if plan.cell_ids is not None:
        cells = plan.cell_ids
        texts["cell_ids"] = json.dumps({"origin": cells.text, "sha256": digest_of(cells.data)})
    if plan.comment:
        texts["comment"] = plan.comment
    return {f"h5calib_{name}": text for name, text in texts.items()}


def describe_constant(source: Source, axes: str) -> dict[str, Any]:
    """What is kept of a constant on the dataset, for people and for comparison."""
    return {
        "origin": source.text,
        "axes": axes,
        "shape": list(source.data.shape),
        "dtype": str(source.data.dtype),
        "sha256": digest_of(source.data),
    }


def descriptor_of(calibration: Calibration, file_uuid: bytes, dataset_uuid: bytes) -> Descriptor:
    """What the filter parameters of a dataset with this calibration say."""
    return Descriptor(
        calibration.algorithm.id,
        file_uuid,
        dataset_uuid,
        calibration.numbered_parameters(),
        unwritten_is_missing=calibration.unwritten == "missing",
    )


def _first_missing(group: h5py.Group, name: str) -> str:
    """The first part of a path that does not exist: removing it removes all below."""
    done = "/" if name.startswith("/") else ""
    for part in filter(None, name.split("/")):
        done += part
        if group.get(done, getlink=True) is None:
            break
        done += "/"
    return done.rstrip("/")


def remove_path(group: h5py.Group, name: str) -> None:
    if group.get(name, getlink=True) is not None:
        del group[name]
