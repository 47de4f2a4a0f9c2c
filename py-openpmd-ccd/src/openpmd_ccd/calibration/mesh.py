"""The mesh `calibrated` beside `raw`, and the constants it is made of, in an HDF5 scan.

Constants are stored once for each set, in ``/calibration/<number>``. A mesh is h5calib's
dataset, computed when it is read, or a plain virtual dataset of raw where a factor is all.
"""

from dataclasses import replace
from datetime import datetime

import h5py
import numpy as np
from h5py import h5d, h5g, h5p, h5s, h5t

from ..errors import CalibrationError
from ..writing import attributes
from ..writing.shot import SCALAR, Settings
from ..writing.template import COMPACT, prepare, write_attributes, write_prepared
from .settings import CalibrationSet, group_of, h5calib
from .units import Unit

SETS = "calibration"
MESH = "calibrated"


class CalibratedMeshes:
    """Adds calibrated meshes to the iterations of one open file."""

    def __init__(self, file):
        self._file = file
        self._stored = {}

    def number(self, cal):
        """Number of a set that has been stored."""
        return self._stored[cal][0]

    def store(self, cal, form):
        """Store a set of constants, for images like `form`; harmless when done already."""
        if cal in self._stored:
            return
        sets = self._file.require_group(SETS)
        number = max(map(int, sets), default=0) + 1
        group = sets.create_group(str(number))
        try:
            write_attributes(group.id, _set_attributes(cal))
            if cal.algorithm:
                for name, calibration in cal.by_group(form.components).items():
                    part = group.create_group(name)
                    h5calib().interface.store_constants(part, calibration, form.shape[-2:])
            self.adopt(cal, number)
        except (ValueError, TypeError) as error:
            del sets[str(number)]
            raise CalibrationError(f"the calibration does not fit: {error}") from error
        except BaseException:
            del sets[str(number)]
            raise

    def adopt(self, cal, number):
        """Use a set that is in the file already; harmless when done before."""
        if cal in self._stored:
            return
        group = self._file[SETS][str(number)]
        series = {}
        if cal.algorithm:
            calibrations = cal.by_group([n.partition("_")[2] for n in group])
            series = {
                name: h5calib().interface.Series(group[name], calibration)
                for name, calibration in calibrations.items()
            }
        self._stored[cal] = number, series, {}

    def add(self, name, form, cal):
        """Put the calibrated mesh into the iteration `name`."""
        self.store(cal, form)
        meshes = f"/data/{name}/{attributes.MESHES}"
        raw, place = f"{meshes}/{attributes.RECORD}", f"{meshes}/{MESH}"
        mesh, component = self._attributes(cal, form)
        try:
            if form.components == (SCALAR,):
                self._add_one(place, raw, cal, SCALAR, mesh, form)
                return
            _write(make_group(self._file, place).id, mesh)
            for part in form.components:
                self._add_one(f"{place}/{part}", f"{raw}/{part}", cal, part, component, form)
        except (ValueError, TypeError) as error:
            raise CalibrationError(f"shot {name} cannot be calibrated: {error}") from error

    def _add_one(self, place, raw, cal, component, values, form):
        if cal.algorithm:
            series = self._stored[cal][1]
            series[group_of(component, series)].create(self._file, place, raw, values, form)
        else:
            _write(_virtual(self._file, place, raw, form), values)

    def _attributes(self, cal, form):
        """Attributes of the mesh and of each component, made once for each form."""
        number, _, cache = self._stored[cal]
        if form not in cache:
            plain = replace(form, settings=Settings(form.settings.resolution, form.settings.roi))
            mesh = _without_camera(attributes.mesh(plain)) | {
                "unitDimension": np.array(cal.unit.dimension, "f8"),
                "ccdUnit": attributes.as_text(cal.unit.text),
                "ccdCalibration": attributes.as_text(f"/{SETS}/{number}"),
            }
            if not cal.algorithm:
                mesh |= {"ccdGain": np.float64(cal.parameters["gain"])}
                mesh |= {"ccdFlat": np.float64(cal.parameters["flat"])}
            si = cal.unit.si * (1.0 if cal.algorithm else cal.factor)
            component = attributes.component(form) | {"unitSI": np.float64(si)}
            if form.components == (SCALAR,):  # one object has both
                cache[form] = self._ready(cal, mesh | component), None
            else:
                cache[form] = _prepared(mesh), self._ready(cal, component)
        return cache[form]

    @staticmethod
    def _ready(cal, values):
        """Attributes of a dataset, as what makes it takes them."""
        prepared = _prepared(values)
        return h5calib().interface.Attributes(prepared) if cal.algorithm else prepared

    def record(self, cal):
        """What the journal keeps of a stored set; call it after a flush."""
        from ..writing.checksum import checksum

        number = self.number(cal)
        places = {}
        for name, part in self._file[SETS][str(number)].items():
            places[name] = {}
            for key, dataset in part.items():
                values = dataset[()]
                places[name][key] = {
                    "shape": list(dataset.shape),
                    "dtype": dataset.dtype.str,
                    "axes": _axes(part, key),
                    "at": [checksum(np.asarray(values)), dataset.id.get_offset()],
                }
        return {
            "set": number, "unit": vars(cal.unit), "algorithm": cal.algorithm,
            "parameters": cal.parameters, "origin": cal.origin, "constants": places,
        }  # fmt: skip


def set_of(record, constants):
    """The `CalibrationSet` of a record; `constants` are arrays by group and name."""
    unit = record["unit"]
    axes = {k: v["axes"] for part in record["constants"].values() for k, v in part.items()}
    return CalibrationSet(
        Unit(unit["text"], unit["si"], tuple(unit["dimension"])), record["algorithm"],
        record["parameters"], {}, axes, record["origin"], constants,
    )  # fmt: skip


def _axes(group, name):
    axes = group.attrs[f"axes_{name}"]
    return axes.decode() if isinstance(axes, bytes) else ""


def _without_camera(values):
    """Mesh attributes of the standard: the camera's are on `raw`."""
    return {k: v for k, v in values.items() if not k.startswith("ccd")}


def _prepared(values):
    return [prepare(name, value) for name, value in values.items()]


def _write(obj, prepared):
    for attribute in prepared:
        write_prepared(obj, attribute)


def make_group(parent, name):
    """A small group that keeps its attributes in its header."""
    gcpl = h5p.create(h5p.GROUP_CREATE)
    gcpl.set_attr_phase_change(*COMPACT)
    return h5py.Group(h5g.create(parent.id, name.encode(), gcpl=gcpl))


def _virtual(parent, name, raw, form):
    """A virtual dataset of all of the dataset at the path `raw`."""
    space = h5s.create_simple(form.shape)
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_attr_phase_change(*COMPACT)
    dcpl.set_virtual(space, b".", raw.encode(), space)
    kind = h5t.py_create(np.dtype(form.dtype), logical=True)
    return h5d.create(parent.id, name.encode(), kind, space, dcpl)


def _set_attributes(cal):
    """What a set's group says for people: formula, unit, where the constants came from."""
    from .. import __version__

    texts = {
        "algorithm": cal.algorithm or "factor",
        "unit": cal.unit.text,
        "created": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %z"),
        "software": f"openPMD-CCD {__version__}",
    } | {f"origin_{k}": v for k, v in cal.origin.items()}
    if cal.algorithm:
        texts["softwareDependencies"] = f"h5calib@{h5calib().__version__}"
    parameters = {f"parameter_{k}": v for k, v in cal.parameters.items()}
    texts |= {k: v for k, v in parameters.items() if isinstance(v, str)}
    numbers = {"unitSI": cal.unit.si} | {k: v for k, v in parameters.items() if k not in texts}
    return (
        {k: attributes.as_text(v) for k, v in texts.items()}
        | {k: np.float64(v) for k, v in numbers.items()}
        | {"unitDimension": np.array(cal.unit.dimension, "f8")}
    )
