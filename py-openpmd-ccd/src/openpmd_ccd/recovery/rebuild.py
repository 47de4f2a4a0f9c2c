"""A scan written anew from its journal and the pixels in the damaged file."""

import os

import numpy as np

from ..calibration.mesh import set_of
from ..reading.pixels import PixelSource, is_chunked
from ..writing import attributes
from ..writing.hdf5 import ScanFile, write_plane
from ..writing.shot import Form, Settings, Shot, Storage


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def form_of(record):
    """The `Form` of a journal record."""
    settings = Settings(**{k: _tuples(v) for k, v in record["settings"].items()})
    return Form(
        tuple(record["components"]), tuple(record["axes"]), tuple(record["shape"]),
        record["dtype"], settings,
    )  # fmt: skip


def _root(header):
    values = {"openPMDextension": np.uint32(0)}
    return values | {k: attributes.as_text(v) for k, v in header["root"].items()}


def rebuild(new, old, header, forms, records, sets=None):
    """Write the shots of `records` to the file `new`; pixels and constants come from `old`."""
    storage = Storage(_tuples(header["filters"]))
    scan = ScanFile(new, _root(header), storage, overwrite=True)
    try:
        with PixelSource(old) as source:
            sets = {k: set_of(record, _constants(source, record)) for k, record in sets.items()}
            for record in records:
                cal = sets.get(record.get("set"))
                _copy(scan, storage, source, record, forms[record["as"]], cal)
        scan.flush()
        os.fsync(scan.fd)
    finally:
        scan.close()


def _constants(source, record):
    """Arrays of a calibration set, by group and name."""
    return {
        group: {name: source.plane(place["at"], place) for name, place in places.items()}
        for group, places in record["constants"].items()
    }


def _copy(scan, storage, source, record, form_record, calibration):
    form = form_of(form_record)
    places = dict(zip(form.components, record["at"], strict=True))
    shot = Shot(record["shot"], record["time"], {}, form.axes, form.settings)
    shot.metadata = record.get("meta", {})
    shot.calibration = calibration

    def write(dataset, component):
        place = places[component]
        if is_chunked(place) and storage.filters:
            for offset, mask, data, _ in source.chunks(place):
                dataset.write_direct_chunk(offset, data, mask)
        else:
            write_plane(dataset, source.plane(place, form_record))

    template, _ = scan.templates.get(form)
    scan.put(shot, template, write)
