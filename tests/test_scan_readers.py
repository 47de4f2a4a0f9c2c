"""A calibrated camera scan through every reader: raw, computed by the plugin, by a factor.

`nox -s readers` has the tests write docs/readers.md. Programs that are not installed are
skipped, with the reason; DEBIAN_PYTHON names Debian's own interpreter.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

openpmd_ccd = pytest.importorskip("openpmd_ccd", reason="openpmd-ccd is not installed")

SHAPE = (20, 30)
DEBIAN_PYTHON = os.environ.get("DEBIAN_PYTHON", "/usr/bin/python3")
#: mesh -> (shot, path in the file)
MESHES = {"raw": (0, "raw"), "plugin": (0, "calibrated"), "factor": (1, "calibrated")}

H5PY = """
import sys, numpy as np, h5py
path, number, name, out = sys.argv[1:]
np.save(out, h5py.File(path, "r")[f"data/{number}/shots/{name}"][()])
"""
API = """
import sys, numpy as np, h5py, openpmd_api as io
path, number, name, out = sys.argv[1:]
series = io.Series(path, io.Access.read_only)
mesh = series.iterations[int(number)].meshes[name][io.Mesh_Record_Component.SCALAR]
values = mesh.load_chunk()
series.flush()
np.save(out, values)
"""
VIEWER = """
import h5py, sys, numpy as np
from openpmd_viewer import OpenPMDTimeSeries
path, number, name, out, backend = sys.argv[1:]
series = OpenPMDTimeSeries(path, backend=backend)
np.save(out, series.get_field(field=name, iteration=int(number))[0])
"""
OURS = """
import sys, numpy as np
from openpmd_ccd import open_scan
path, number, name, out = sys.argv[1:]
np.save(out, getattr(open_scan(path).shot(int(number)), name))
"""


class Failed(Exception):
    """What a reader said when it could not read."""


def call(command, environment):
    done = subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise Failed(done.stderr + done.stdout)
    return done


def script(code, *after, python=sys.executable):
    def read(path, number, name, out, environment):
        call([python, "-c", code, path, number, name, out, *after], environment)
        return np.load(out)

    return read


def by_h5dump(path, number, name, out, environment):
    command = ["h5dump", "--enable-error-stack", "-d", f"/data/{number}/shots/{name}"]
    done = call([*command, "-b", "LE", "-o", out, path], environment)
    if not Path(out).exists() or not Path(out).stat().st_size:
        raise Failed(done.stderr)
    kind = re.search(r"DATATYPE\s+H5T_(\w+)", done.stdout)[1]
    return np.fromfile(out, {"STD_U16LE": "u2", "IEEE_F32LE": "f4"}[kind]).reshape(SHAPE)


def by_ncdump(path, number, name, out, environment):
    variable = f"/data/{number}/shots/{name}"
    text = call(["ncdump", "-p", "9,17", "-v", variable, path], environment).stdout
    values = re.search(rf"\n\s+{name} =([^;]*);", text)[1].replace("_", "nan").split(",")
    return np.array(values, "f4").reshape(SHAPE)


def version_of(*packages):
    return lambda: ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages)


def h5py_version(python):
    code = "import h5py; print('h5py', h5py.__version__ + ', HDF5', h5py.version.hdf5_version)"
    return lambda: subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def program_version(*command):
    def version():
        done = subprocess.run(command, capture_output=True, text=True)
        return re.search(r"[Vv]ersion\s+(\S+)", done.stdout + done.stderr)[1]

    return version


def has_module(name):
    return None if importlib.util.find_spec(name) else f"{name} is not installed"


def has_program(name, package):
    return None if shutil.which(name) else f"{name} is not installed (Debian: {package})"


def has_debian_h5py():
    done = subprocess.run(
        [DEBIAN_PYTHON, "-c", "import h5py; print(h5py.__file__)"], capture_output=True, text=True
    ) if shutil.which(DEBIAN_PYTHON) else None  # fmt: skip
    if done is None or done.returncode or "dist-packages" not in done.stdout:
        return "Debian's h5py is not installed (Debian: python3-h5py)"
    return None


#: reader -> (how it reads, its version, why it cannot be tested)
READERS = {
    "h5py": (script(H5PY), h5py_version(sys.executable), None),
    "openpmd_ccd.open_scan": (script(OURS), version_of("openpmd-ccd"), None),
    "openPMD-api, h5py in the process": (
        script(API), version_of("openPMD-api", "h5py"), has_module("openpmd_api")
    ),
    "openPMD-viewer, backend h5py": (
        script(VIEWER, "h5py"), version_of("openPMD-viewer"), has_module("openpmd_viewer")
    ),
    "openPMD-viewer, backend openpmd-api": (
        script(VIEWER, "openpmd-api"), version_of("openPMD-viewer", "openPMD-api"),
        has_module("openpmd_viewer"),
    ),
    "h5dump": (by_h5dump, program_version("h5dump", "-V"), has_program("h5dump", "hdf5-tools")),
    "ncdump": (by_ncdump, program_version("ncdump"), has_program("ncdump", "netcdf-bin")),
    "Debian's python3-h5py": (
        script(H5PY, python=DEBIAN_PYTHON), h5py_version(DEBIAN_PYTHON), has_debian_h5py()
    ),
}  # fmt: skip
#: those that multiply by unitSI, which is 2 for the mesh made by a factor
IN_ITS_UNIT = ["openpmd_ccd.open_scan", "openPMD-viewer, backend openpmd-api"]
_rows = {}


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """(path, expected values by mesh): shot 0 is computed by the plugin, shot 1 by a factor."""
    rng = np.random.default_rng(5)
    raw = rng.integers(0, 4000, (2, *SHAPE)).astype("u2")
    dark, flat = rng.uniform(90, 110, SHAPE), rng.uniform(0.5, 1.5, SHAPE)
    path = tmp_path_factory.mktemp("scan") / "cam.h5"
    with openpmd_ccd.CCD(path, dark=dark, flat=flat, resolution=5e-6) as ccd:
        ccd.add(0, raw[0], time=1.0)
        ccd.recalibrate(calibration=False)
        ccd.recalibrate(gain=2.0, unit="J/m^2")
        ccd.add(1, raw[1], time=2.0)
    computed = (raw[0].astype("f4") - dark.astype("f4")) / flat.astype("f4")
    return path, {"raw": raw[0], "plugin": computed, "factor": raw[1]}


@pytest.fixture
def with_plugin(plugin_dir):
    return {**os.environ, "HDF5_PLUGIN_PATH": plugin_dir}


@pytest.fixture
def without_plugin(tmp_path):
    return {**os.environ, "HDF5_PLUGIN_PATH": str(tmp_path)}


@pytest.fixture(scope="module", autouse=True)
def table(scan):
    """Write the table at the end, if asked to."""
    yield
    target = os.environ.get("OPENPMD_CCD_READERS")
    if target:
        Path(target).write_text(_table())


def _table():
    head = ["reader", "raw", "calibrated via plugin", "calibrated via factor", "without the plugin"]
    lines = [
        "# Who reads a calibrated scan",
        "",
        _INTRODUCTION,
        "",
        _line(head),
        _line(["---"] * 5),
    ]
    for name, (_, version, why) in READERS.items():
        found = _rows.get(name, {})
        cells = [found.get(k, why or "not run") for k in (*MESHES, "error")]
        lines.append(_line([name if why else f"{name} ({version()})", *cells]))
    if "validator" in _rows:
        lines.append(_line(_rows["validator"]))
    return "\n".join(lines) + "\n"


def _line(cells):
    return f"| {' | '.join(cells)} |"


_INTRODUCTION = """\
Written by `python3 noxfile.py -s readers`; every cell is what a test saw, and the same tests fail
where they see something else. "Via plugin" is `(raw - dark) / flat`, read with `HDF5_PLUGIN_PATH`
set to the folder that `h5calib doctor` shows; "via factor" is the plain virtual dataset with its
own `unitSI`, which a scan has where there is no dark and the flat is a number. openPMD 1.1 has no
offset: a number as dark is subtracted by the plugin. The last column is what the reader says to
the mesh "via plugin" where HDF5 does not find the plugin. The openPMD-api wheel hides its
libhdf5: import h5py in the same process. `open_scan` and the viewer's backend openpmd-api
multiply by `unitSI`, the others give the stored numbers."""
PAGE = Path(__file__).resolve().parent.parent / "docs" / "readers.md"


def needs(name):
    why = READERS[name][2]
    if why:
        pytest.skip(why)
    return READERS[name][0]


@pytest.mark.parametrize("mesh", MESHES)
@pytest.mark.parametrize("reader", READERS)
def test_values(scan, tmp_path, with_plugin, reader, mesh):
    read = needs(reader)
    path, expected = scan
    number, name = MESHES[mesh]
    found = read(path, number, name, tmp_path / "out.npy", with_plugin)
    wanted = expected[mesh]
    if reader in IN_ITS_UNIT and mesh == "factor":
        wanted = wanted.astype("f4") * np.float32(2)
    np.testing.assert_array_equal(found, wanted)
    _rows.setdefault(reader, {})[mesh] = "works"


@pytest.mark.parametrize("reader", READERS)
def test_without_the_plugin_the_error_is_clear_and_the_rest_works(
    scan, tmp_path, without_plugin, reader
):
    read = needs(reader)
    path, expected = scan
    for mesh in ("raw", "factor"):
        number, name = MESHES[mesh]
        found = read(path, number, name, tmp_path / f"{mesh}.npy", without_plugin)
        factor = 2 if reader in IN_ITS_UNIT and mesh == "factor" else 1
        np.testing.assert_array_equal(found, expected[mesh] * np.float32(factor))
    try:
        found = read(path, 0, "calibrated", tmp_path / "none.npy", without_plugin)
    except Failed as failure:
        said = _said(str(failure))
    else:  # h5calib finds the plugin of its wheel or prefix without the variable
        assert reader == "openpmd_ccd.open_scan"
        np.testing.assert_array_equal(found, expected["plugin"])
        _rows.setdefault(reader, {})["error"] = "works: h5calib finds it"
        return
    _rows.setdefault(reader, {})["error"] = f"error: `{said}`"


_CLEAR = (
    r"[^\n]*does not find the h5calib[^;\n]*", r"required filter '[^\n)]*registered",
    r"can't (?:find|open)[^\n.]*plugin", r"NetCDF: [^\n]*", r"[^\n:]*[Ff]ailed to read[^\n]*",
)  # fmt: skip


def _said(text):
    """The clearest sentence of an error."""
    for pattern in _CLEAR:
        if found := re.search(pattern, text):
            return found[0].strip().replace("|", "/")
    raise AssertionError(f"no clear error: {text}")


def test_validator(scan):
    check = pytest.importorskip(
        "openpmd_validator.check_h5", reason="openPMD-validator is not installed"
    )
    assert tuple(map(int, check.check_file(str(scan[0])))) == (0, 0)
    version = version_of("openPMD-validator")()
    good = "0 errors, 0 warnings"
    _rows["validator"] = [f"openPMD-validator ({version})", good, good, good, "needs none"]


def test_the_page_of_readers_is_up_to_date():
    """The rows of docs/readers.md are our readers, and say what the tests above have seen."""
    if os.environ.get("OPENPMD_CCD_READERS"):
        pytest.skip("the page is being written")
    rows = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and not line.startswith(("| ---", "| reader |")):
            name, *cells = (cell.strip() for cell in line.strip("|").split(" | "))
            rows[name.rpartition(" (")[0]] = cells
    assert list(rows) == [*READERS, "openPMD-validator"]
    for name, seen in _rows.items():
        if name == "validator":
            assert rows["openPMD-validator"] == seen[1:]
        else:
            columns = dict(zip((*MESHES, "error"), rows[name], strict=True))
            for column, text in seen.items():  # the sentence itself changes with versions
                if (name, column) == ("openpmd_ccd.open_scan", "error"):
                    continue  # h5calib finds the plugin of its wheel or prefix, not of a checkout
                assert columns[column].split(":")[0] == text.split(":")[0], (name, column)


def test_openpmd_api_says_units(scan):
    io = pytest.importorskip("openpmd_api", reason="openPMD-api is not installed")
    series = io.Series(str(scan[0]), io.Access.read_only)
    mesh = series.iterations[1].meshes["calibrated"]
    assert mesh[io.Mesh_Record_Component.SCALAR].unit_SI == 2.0
    assert list(mesh.unit_dimension) == [0, 1, -2, 0, 0, 0, 0]
    assert list(mesh.grid_spacing) == [5e-6, 5e-6]
    assert sorted(series.iterations[0].meshes) == ["calibrated", "raw"]


@pytest.mark.parametrize("reader", READERS)
def test_moved_to_another_folder(scan, tmp_path, with_plugin, reader):
    read = needs(reader)
    folder = tmp_path / "elsewhere with ünicode"
    folder.mkdir()
    moved = folder / "renamed.h5"
    shutil.copy(scan[0], moved)
    found = read(moved, 0, "calibrated", tmp_path / "out.npy", with_plugin)
    np.testing.assert_array_equal(found, scan[1]["plugin"])


WRITER = """
import sys, numpy as np
from openpmd_ccd import CCD
n = (20, 30)
dark, flat = np.full(n, 3.5), np.full(n, 2.0)
with CCD(sys.argv[1], dark=dark, flat=flat, swmr=sys.argv[2] == "swmr") as scan:
    for number in range(5):
        scan.add(number, np.full(n, 100 + number, "u2"))
        print(number, flush=True)
        sys.stdin.readline()
"""


def _writer(path, mode):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), mode],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_read_while_it_is_being_written(tmp_path, with_plugin):
    """Between two shots all that was acknowledged is readable, calibrated too."""
    path = tmp_path / "cam.h5"
    environment = {**with_plugin, "HDF5_USE_FILE_LOCKING": "FALSE"}
    with _writer(path, "plain") as writer:
        for number in range(5):
            assert int(writer.stdout.readline()) == number
            out = tmp_path / f"{number}.npy"
            found = READERS["h5py"][0](path, number, "calibrated", out, environment)
            assert (found == np.float32((100 + number - 3.5) / 2)).all()
            writer.stdin.write("\n")
            writer.stdin.flush()
    assert writer.returncode == 0


def test_a_live_scan_has_raw_now_and_calibrated_at_the_end(tmp_path):
    path = tmp_path / "cam.h5"
    with _writer(path, "swmr") as writer:
        for number in range(5):
            assert int(writer.stdout.readline()) == number
            with openpmd_ccd.open_scan(path, live=True) as scan:
                assert (scan.shot(number).pixels == 100 + number).all()
                with pytest.raises(openpmd_ccd.CalibrationError, match="no calibrated mesh"):
                    _ = scan.shot(number).calibrated
            writer.stdin.write("\n")
            writer.stdin.flush()
    with openpmd_ccd.open_scan(path) as scan:
        assert [float(c[0, 0]) for c in scan.calibrated] == [48.25, 48.75, 49.25, 49.75, 50.25]


def test_h5calib_knows_the_files_of_openpmd_ccd(scan):
    import h5calib
    import h5py

    with h5py.File(scan[0]) as file:
        found = h5calib.describe(file["data/0/shots/calibrated"])
        assert (found["algorithm"], found["raw"]["path"]) == ("ccd", "/data/0/shots/raw")
        assert found["constants"]["dark"]["shape"] == list(SHAPE)
        assert len(found["constants"]["dark"]["sha256"]) == 64
        values = h5calib.read(file["data/0/shots/calibrated"])
    np.testing.assert_array_equal(values, scan[1]["plugin"])


def test_openpmd_ccd_reads_what_h5calib_adds(tmp_path):
    """The other way round: the dataset is made by h5calib, in a scan of raw shots."""
    import h5calib
    import h5py

    path = tmp_path / "cam.h5"
    with openpmd_ccd.CCD(path) as ccd:
        ccd.add(0, np.full((4, 5), 9, "u2"))
    with h5py.File(path, "r+") as file:
        shots = file["data/0/shots"]
        pedestal = h5calib.Pedestal(np.full((4, 5), 2.0))
        h5calib.create_calibrated_dataset(shots, "calibrated", shots["raw"], pedestal)
    with openpmd_ccd.open_scan(path) as scan:
        assert (scan.shot(0).calibrated == 7).all()
