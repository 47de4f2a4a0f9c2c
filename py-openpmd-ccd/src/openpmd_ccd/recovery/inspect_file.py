"""Read all metadata of a scan and print its shot numbers: run as a process of its own.

With a journal, a shot counts only if its datasets are where the journal says. Exit code 1,
or a crash, means that HDF5 cannot read the file.
"""

import sys

import h5py

from ..calibration.mesh import MESH, SETS
from ..writing import attributes
from ..writing.journal import read_journal


def _read_attributes(obj):
    return {name: obj.attrs[name] for name in obj.attrs}


def shot_numbers(file):
    """Numbers of all iterations whose datasets and attributes can be read."""
    _read_attributes(file)
    numbers = []
    for name, group in file["data"].items():
        values = _read_attributes(group)
        record = group[attributes.MESHES][attributes.RECORD]
        datasets = [record] if isinstance(record, h5py.Dataset) else list(record.values())
        for obj in (record, *datasets):
            _read_attributes(obj)
        if {"time", "dt", "timeUnitSI"} <= set(values) and all(d.size for d in datasets):
            numbers.append(int(name))
    return numbers


def agree(file, journal):
    """Whether all shots of the journal are in the file, where the journal says."""
    _, forms, records, _ = read_journal(journal)
    for record in records:
        form = forms[record["as"]]
        group = file["data"][str(record["shot"])]
        if group.attrs["time"] != record["time"]:
            return False
        meshes = group[attributes.MESHES]
        if "set" in record and not _calibrated(meshes, form, record["set"]):
            return False
        for component, place in zip(form["components"], record["at"], strict=True):
            dataset = meshes[attributes.component_path(component)]
            if list(dataset.shape) != form["shape"] or dataset.dtype.str != form["dtype"]:
                return False
            if _address(dataset) != _expected(place):
                return False
    return True


def _calibrated(meshes, form, number):
    """Whether the calibrated mesh is there, with its constants' set and its shape."""
    mesh = meshes[MESH]
    parts = [mesh] if isinstance(mesh, h5py.Dataset) else [mesh[c] for c in form["components"]]
    return mesh.attrs["ccdCalibration"] == f"/{SETS}/{number}".encode() and all(
        list(part.shape) == form["shape"] for part in parts
    )


def _address(dataset):
    if dataset.chunks is None:
        return dataset.id.get_offset()
    return dataset.id.get_chunk_info(0).byte_offset


def _expected(place):
    return place[1][1] if isinstance(place[1], list) else place[1]


def main(path, journal=None):
    """Print the numbers; the exit code says whether the file can be read."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            numbers = shot_numbers(file)
            if journal and not agree(file, journal):
                return 1
    except Exception as error:
        print(error, file=sys.stderr)
        return 1
    print(*numbers)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
