"""The mesh `calibrated`: values, files, commands, LabVIEW, and what is wrong with constants."""

import subprocess
import sys

import h5py
import numpy as np
import openpmd_ccd
import pytest
from conftest import BIN, validator
from labview_simulator import Session, array, i32, string
from openpmd_ccd import CCD, CalibrationError, MissingPackageError, open_scan
from openpmd_ccd.calibration.units import unit

pytest.importorskip("h5calib", reason="h5calib is not installed")
SHAPE = (30, 40)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def dark(rng):
    return rng.uniform(90, 110, SHAPE)


@pytest.fixture
def flat(rng):
    return rng.uniform(0.5, 1.5, SHAPE).astype("f4")


def images(rng, count, shape=SHAPE, dtype="u2"):
    return rng.integers(0, 250 if dtype == "u1" else 4000, (count, *shape)).astype(dtype)


def rule(raw, dark, flat):
    """The reference: float32 throughout."""
    return (raw.astype("f4") - np.asarray(dark, "f4")) / np.asarray(flat, "f4")


def same(found, expected):
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.view("u4"), expected.astype("f4").view("u4"))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize(
    "options", [{}, {"compression": "gzip"}, {"blocking": False}, {"swmr": True}], ids=str
)
def test_values_bit_for_bit(scan_path, rng, dark, flat, dtype, options):
    raw = images(rng, 4, dtype=dtype)
    with CCD(scan_path, dark=dark, flat=flat, unit="mJ/cm^2", **options) as scan:
        for number, image in enumerate(raw):
            scan.add(number, image)
    with open_scan(scan_path) as scan:
        same(scan.calibrated, rule(raw, dark, flat))
        assert scan.shot(0).unit == "mJ/cm^2"
        np.testing.assert_array_equal(scan.raw, raw)
    assert validator(scan_path) == (0, 0)


@pytest.mark.parametrize("options", [{}, {"blocking": False}], ids=str)
def test_recalibrate_begins_a_new_set(scan_path, rng, dark, flat, options):
    raw = images(rng, 6)
    with CCD(scan_path, **options) as scan:
        scan.add(0, raw[0])
        scan.recalibrate(dark=dark)
        scan.add(1, raw[1])
        scan.recalibrate(flat=flat)
        scan.add(2, raw[2])
        scan.add(3, raw[3])
        scan.recalibrate(dark=dark + 5)
        scan.add(4, raw[4])
        scan.recalibrate(calibration=False)
        scan.add(5, raw[5])
    with open_scan(scan_path) as scan:
        for number, (d, f) in {
            1: (dark, 1),
            2: (dark, flat),
            3: (dark, flat),
            4: (dark + 5, flat),
        }.items():
            same(scan.shot(number).calibrated, rule(raw[number], d, f))
        for number in (0, 5):
            with pytest.raises(CalibrationError, match=f"shot {number} has no calibrated mesh"):
                _ = scan.shot(number).calibrated
    with h5py.File(scan_path) as file:
        assert sorted(file["calibration"]) == ["1", "2", "3"]
        assert file["data/3/shots/calibrated"].attrs["ccdCalibration"] == b"/calibration/2"


def test_constants_are_stored_once(scan_path, rng, dark, flat):
    raw = images(rng, 50)
    with CCD(scan_path, dark=dark, flat=flat) as scan:
        for number, image in enumerate(raw):
            scan.add(number, image)
    with h5py.File(scan_path) as file:
        found = []
        file.visititems(lambda n, o: found.append(n) if n.endswith(("/dark", "/flat")) else None)
        assert sorted(found) == ["calibration/1/constants/dark", "calibration/1/constants/flat"]
        group = file["calibration/1"]
        assert group.attrs["algorithm"] == b"ccd"
        assert group.attrs["origin_dark"] == b"array"
        assert b"h5calib@" in group.attrs["softwareDependencies"]


def test_a_factor_is_a_plain_virtual_dataset(scan_path, rng):
    raw = images(rng, 2)
    with CCD(scan_path, gain=2.5, flat=0.5, unit="mJ/cm^2") as scan:
        for number, image in enumerate(raw):
            scan.add(number, image)
    with h5py.File(scan_path) as file:
        mesh = file["data/1/shots/calibrated"]
        assert mesh.is_virtual
        np.testing.assert_array_equal(mesh[()], raw[1])
        assert mesh.attrs["unitSI"] == 2.5 / 0.5 * 10
        assert mesh.attrs["unitDimension"].tolist() == [0, 1, -2, 0, 0, 0, 0]
        assert "h5calib" not in file
    with open_scan(scan_path) as scan:
        same(scan.calibrated, raw.astype("f4") / np.float32(0.5) * np.float32(2.5))
    assert validator(scan_path) == (0, 0)


def test_a_number_as_dark_is_subtracted(scan_path, rng):
    """openPMD 1.1 has no offset: what a factor cannot say is computed."""
    raw = images(rng, 1)
    with CCD(scan_path, dark=100.5, gain=2.0) as scan:
        scan.add(0, raw[0])
    with open_scan(scan_path) as scan:
        same(scan.calibrated, (raw.astype("f4") - np.float32(100.5)) * np.float32(2))


def test_colour(scan_path, rng, dark, flat):
    raw = images(rng, 2, (*SHAPE, 3), "u1")
    colours = np.stack([dark, dark + 1, dark + 2], -1)
    with CCD(scan_path, dark=colours, flat=flat) as scan:
        scan.add(0, raw[0])
        scan.recalibrate(dark=dark)
        scan.add(1, raw[1])
    with open_scan(scan_path) as scan:
        same(scan.shot(0).calibrated, rule(raw[0], colours, flat[..., None]))
        same(scan.shot(1).calibrated, rule(raw[1], dark[..., None], flat[..., None]))
    assert validator(scan_path) == (0, 0)


def test_pages(scan_path, rng, dark, flat):
    raw = images(rng, 5)
    with CCD(scan_path, dark=dark, flat=flat, compression="gzip") as scan:
        scan.add(0, raw)
    with open_scan(scan_path) as scan:
        same(scan.shot(0).calibrated, rule(raw, dark, flat))


def test_an_algorithm_of_h5calib(scan_path, rng, dark):
    import h5calib

    raw = images(rng, 1)
    calibration = h5calib.Pedestal(dark, masked_value=-1)
    with CCD(scan_path, calibration=calibration, unit="electrons") as scan:
        scan.add(0, raw[0])
    with open_scan(scan_path) as scan:
        same(scan.calibrated, rule(raw, dark, 1))
        assert (
            h5calib.describe(scan._reader.file["data/0/shots/calibrated"])["algorithm"]
            == "pedestal"
        )


DIE = """
import os, sys
import numpy as np
from openpmd_ccd import CCD
folder, options = sys.argv[1], eval(sys.argv[2])
raw, dark, flat = (np.load(f"{folder}/{n}.npy") for n in ("raw", "dark", "flat"))
scan = CCD(f"{folder}/cam.h5", dark=dark, flat=flat, unit="J/m^2", **options)
for number in range(6):
    scan.add(number, raw[number])
    if number == 2 and not options.get("swmr"):
        scan.recalibrate(dark=dark + 7)
scan.flush()
os.kill(os.getpid(), 9)
"""
KILLED = [{}, {"compression": "gzip"}, {"blocking": False}, {"fsync": True}, {"swmr": True}]


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("options", KILLED, ids=str)
def test_kill_and_recover(tmp_path, rng, dark, flat, options, torn):
    raw = images(rng, 6)
    for name, values in (("raw", raw), ("dark", dark), ("flat", flat)):
        np.save(tmp_path / f"{name}.npy", values)
    command = [sys.executable, "-c", DIE, str(tmp_path), repr(options)]
    assert subprocess.run(command, timeout=60).returncode == -9
    path = tmp_path / "cam.h5"
    later = 0 if options.get("swmr") else 7

    def check():
        with h5py.File(path, "r") as file:
            for n in range(6):
                expected = rule(raw[n], dark + (later if n > 2 else 0), flat)
                same(file[f"data/{n}/shots/calibrated"][()], expected)

    if torn:
        with path.open("r+b") as file:
            file.write(b"\0" * 96)
    elif not options.get("swmr"):
        check()
    result = openpmd_ccd.recover(path)
    assert (result.shots, result.lost, result.raw_only) == (list(range(6)), [], [])
    assert result.rebuilt == (torn or bool(options.get("swmr")))
    check()
    assert validator(path) == (0, 0)


def test_damaged_constants_cost_no_raw(tmp_path, rng, dark, flat):
    raw = images(rng, 6)
    for name, values in (("raw", raw), ("dark", dark), ("flat", flat)):
        np.save(tmp_path / f"{name}.npy", values)
    subprocess.run([sys.executable, "-c", DIE, str(tmp_path), "{}"], timeout=60)
    path = tmp_path / "cam.h5"
    with h5py.File(path, "r") as file:
        address = file["calibration/2/constants/dark"].id.get_offset()
    with path.open("r+b") as file:
        file.seek(address)
        file.write(b"\1" * 4096)
    result = openpmd_ccd.recover(path, keep_damaged=False)
    assert (result.lost, result.raw_only) == ([], [3, 4, 5])
    assert "without calibrated: [3, 4, 5]" in str(result)
    with open_scan(path) as scan:
        np.testing.assert_array_equal(scan.raw, raw)
        same(scan.shot(1).calibrated, rule(raw[1], dark, flat))


def run(*arguments):
    return subprocess.run(
        [BIN / "openpmd-ccd", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


def test_commands_dark_and_calibrate(tmp_path, rng, flat):
    from PIL import Image

    level = rng.uniform(95, 105, SHAPE)
    darks = rng.normal(level, 2, (30, *SHAPE)).round().astype("u2")
    darks[3, 5, 6] = 60000  # a cosmic ray: clipped
    darks[:, 8, 9] = rng.integers(0, 60000, 30)  # a bad pixel
    raw = images(rng, 3)
    counts = (flat * 1000).astype("u2")
    Image.fromarray(counts).save(tmp_path / "flat.png")
    for name, stack in (("darks", darks), ("scan", raw)):
        with CCD(tmp_path / f"{name}.h5") as scan:
            for number, image in enumerate(stack):
                scan.add(number, image)
    done = run("dark", tmp_path / "darks.h5", "-o", tmp_path / "dark.h5")
    assert done.returncode == 0, done.stderr
    assert "30 shots, 1 bad pixels" in done.stdout
    with h5py.File(tmp_path / "dark.h5") as file:
        dark, bad = file["dark"][()], file["bad_pixels"][()]
    assert np.argwhere(bad).tolist() == [[8, 9]]
    assert np.abs(dark - level)[bad == 0].max() < 2.5
    with h5py.File(tmp_path / "scan.h5") as file:
        places = [file[f"data/{n}/shots/raw"].id.get_offset() for n in range(3)]
    options = ["--dark", tmp_path / "dark.h5", "--flat", tmp_path / "flat.png"]
    done = run("calibrate", tmp_path / "scan.h5", *options, "--unit", "electrons")
    assert done.returncode == 0, done.stderr
    expected = rule(raw, np.where(bad, np.nan, dark), counts)
    with open_scan(tmp_path / "scan.h5") as scan:
        np.testing.assert_array_equal(scan.raw, raw)
        np.testing.assert_array_equal(scan.calibrated, expected)
        assert np.isnan(scan.calibrated[:, 8, 9]).all()
    with h5py.File(tmp_path / "scan.h5") as file:
        assert places == [file[f"data/{n}/shots/raw"].id.get_offset() for n in range(3)]
    again = run("calibrate", tmp_path / "scan.h5", *options)
    assert again.returncode == 1
    assert "say --overwrite" in again.stderr
    scan = run("calibrate", tmp_path / "scan.h5", "--dark", tmp_path / "darks.h5", "--overwrite")
    assert scan.returncode == 1
    assert "is a scan: average it" in scan.stderr
    scan = run("calibrate", tmp_path / "scan.h5", "--dark", tmp_path / "darks.h5",
               "--scan-average", 30, "--overwrite")  # fmt: skip
    assert scan.returncode == 0, scan.stderr
    with open_scan(tmp_path / "scan.h5") as scan:
        np.testing.assert_array_equal(scan.calibrated, rule(raw, np.where(bad, np.nan, dark), 1))
    with h5py.File(tmp_path / "scan.h5") as file:
        assert list(file["calibration"]) == ["2"]
        assert len(file["h5calib"]) == 3
    assert validator(tmp_path / "scan.h5") == (0, 0)


def test_dask_and_xarray(scan_path, rng, dark, flat):
    pytest.importorskip("dask.array")
    pytest.importorskip("xarray")
    raw = images(rng, 3)
    with CCD(scan_path, dark=dark, flat=flat, unit="J/m^2", resolution=2e-6) as scan:
        for number, image in enumerate(raw):
            scan.add(number, image, time=number, metadata={"delay": number / 2})
    with open_scan(scan_path) as scan:
        same(scan.stack(dask=True, mesh="calibrated").compute(), rule(raw, dark, flat))
        data = scan.xarray()
        assert data.calibrated.dims == ("shot", "y", "x")
        assert data.calibrated.units == "J/m^2"
        np.testing.assert_allclose(data.x[:2], [1e-6, 3e-6])  # the pixels' centres
        same(data.calibrated.values, scan.calibrated)
        assert data.delay.values.tolist() == [0, 0.5, 1]
        assert scan.time.tolist() == [0, 1, 2]
        assert scan.metadata["delay"].tolist() == [0, 0.5, 1]
        assert scan.xarray(dask=True, numbers=[2]).calibrated.chunks is not None


def test_xarray_of_shots_that_differ(scan_path, rng, dark):
    """One coordinate, one unit: not where `recalibrate` has changed them in between."""
    pytest.importorskip("xarray")
    raw = images(rng, 4)
    with CCD(scan_path, dark=dark, resolution=2e-6) as scan:
        scan.add(0, raw[0])
        scan.recalibrate(resolution=3e-6)
        scan.add(1, raw[1])
        scan.add(2, raw[2])
        scan.recalibrate(unit="J/m^2")
        scan.add(3, raw[3])
    with open_scan(scan_path) as scan:
        with pytest.raises(openpmd_ccd.ImageError, match="shots 0 and 1 differ in grid_spacing"):
            scan.xarray()
        with pytest.raises(openpmd_ccd.ImageError, match=r"shots 2 and 3 differ in unit \(.*J/m"):
            scan.xarray([2, 3])
        with pytest.raises(openpmd_ccd.ImageError, match=r"values in .* and .* are no stack"):
            _ = scan.calibrated
        np.testing.assert_allclose(scan.xarray([1, 2]).x[:2], [1.5e-6, 4.5e-6])


def test_labview(tmp_path, rng, dark, flat):
    np.save(tmp_path / "dark.npy", dark)
    np.save(tmp_path / "flat.npy", flat)
    raw = images(rng, 6)
    session = Session()
    unwired = (array(dimensions=1, dtype="f8"), array(dimensions=1, dtype="f8"), ("scalar", 0.0))
    opened = session.call(
        "open_write", string(str(tmp_path)), string("cam"), i32(1), string(), string(), string(),
        *unwired, string(str(tmp_path / "dark.npy")), string(str(tmp_path / "flat.npy")),
    )  # fmt: skip
    assert opened[0] is False, opened
    for number in range(3):
        assert session.call("add", string("cam"), i32(number), array(raw[number]))[0] is False
    made = session.call("calibrate_from_shots", string("cam"), i32(0), i32(2))
    assert made[0] is False
    assert "dark of 3 images" in made[2]
    assert session.call("calibrate_from_shots", string("cam"), i32(70), i32(72))[1] == 5005
    assert session.call("calibrate_from_shots", string("other"), i32(0), i32(1))[1] == 5001
    for number in range(3, 6):
        assert session.call("add", string("cam"), i32(number), array(raw[number]))[0] is False
    assert session.call("add", string("cam"), i32(9), array(raw[0][:5]))[1] == 5017
    assert session.call("close", string("cam"))[0] is False
    gone = session.call(
        "open_write", string(str(tmp_path)), string("two"), i32(1), string(), string(), string(),
        *unwired, string(str(tmp_path / "gone.npy")), string(),
    )  # fmt: skip
    assert gone[1] == 5017
    assert "gone.npy" in gone[2]
    session.end()
    with open_scan(tmp_path / "cam_scan-1_ccd.h5") as scan:
        same(scan.stack([0, 1, 2], mesh="calibrated"), rule(raw[:3], dark, flat))
        from openpmd_ccd.calibration.dark import average, masked

        mean, _, bad = average(scan, [0, 1, 2])
        np.testing.assert_array_equal(
            scan.stack([3, 4, 5], mesh="calibrated"), rule(raw[3:], masked(mean, bad), flat)
        )


# What is wrong with constants


def test_zeros_and_nan_are_masked(scan_path, rng, dark, flat):
    flat[3, 4], flat[5, 6], dark[7, 8] = 0, np.nan, np.nan
    raw = images(rng, 1)
    with CCD(scan_path, dark=dark, flat=flat) as scan:
        scan.add(0, raw[0])
    with open_scan(scan_path) as scan:
        found = scan.calibrated[0]
    assert np.argwhere(np.isnan(found)).tolist() == [[3, 4], [5, 6], [7, 8]]
    good = ~np.isnan(found)
    same(found[good], rule(raw[0], dark, np.where(flat == 0, 1, flat))[good])


BAD = [
    ({"dark": np.zeros((3, 4)), "flat": np.ones((4, 3))}, "dark and flat differ in shape"),
    ({"flat": np.zeros((3, 4))}, "flat is zero or not finite everywhere"),
    ({"flat": 0.0}, "flat is zero"),
    ({"flat": np.full((3, 4), np.nan)}, "no finite value"),
    ({"dark": float("nan")}, "a finite number expected"),
    ({"dark": np.zeros(5)}, "shape"),
    ({"dark": [["a"]]}, "numbers expected"),
    ({"gain": 0}, "gain must be finite and not 0"),
    ({"gain": "much"}, "gain must be a number"),
    ({"gain": 2, "unit": "furlong"}, "'furlong' is not known"),
    ({"dark": "/nowhere/dark.h5"}, "dark file '/nowhere/dark.h5': No such file"),
    ({"flat": "/nowhere/flat.png"}, "flat file '/nowhere/flat.png': No such file"),
    ({"dark": "/nowhere/d.h5:/dark"}, "dark file '/nowhere/d.h5' cannot be read"),
    ({"calibration": 5}, "one of h5calib's"),
    ({"calibration": object(), "dark": 1.0}, "give either calibration, or dark"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[b[1] for b in BAD])
def test_bad_constants(scan_path, options, message):
    with pytest.raises(CalibrationError, match=message):
        CCD(scan_path, **options)
    assert not list(scan_path.parent.iterdir()), "nothing is left behind"


def test_a_dark_of_another_shape(scan_path, rng, dark):
    raw = images(rng, 2)
    with CCD(scan_path, dark=dark) as scan:
        scan.add(0, raw[0])
        with pytest.raises(
            CalibrationError, match=r"dark of shape \(30, 40\) does not fit an image of 20"
        ):
            scan.add(1, raw[1][:20])
        scan.recalibrate(dark=dark[:20])
        scan.add(1, raw[1][:20])
    with open_scan(scan_path) as scan:
        same(scan.shot(0).calibrated, rule(raw[0], dark, 1))
        same(scan.shot(1).calibrated, rule(raw[1][:20], dark[:20], 1))


def test_a_dark_that_vanished_after_the_start_is_not_missed(scan_path, tmp_path, rng, dark):
    np.save(tmp_path / "dark.npy", dark)
    raw = images(rng, 1)
    with CCD(scan_path, dark=tmp_path / "dark.npy") as scan:
        (tmp_path / "dark.npy").unlink()
        scan.add(0, raw[0])
        with pytest.raises(CalibrationError, match="No such file"):
            scan.recalibrate(dark=tmp_path / "dark.npy")
    with open_scan(scan_path) as scan:
        same(scan.calibrated, rule(raw, dark, 1))


def test_h5calib_is_not_installed(scan_path, monkeypatch, rng, dark):
    with CCD(scan_path, dark=dark) as scan:
        scan.add(0, images(rng, 1)[0])
    monkeypatch.setitem(sys.modules, "h5calib", None)
    message = r"pip install 'openpmd-ccd\[h5calib\]'"
    with pytest.raises(MissingPackageError, match=message):
        CCD(scan_path.with_name("other.h5"), dark=dark)
    with open_scan(scan_path) as scan:
        assert scan.raw.shape == (1, *SHAPE)
        with pytest.raises(MissingPackageError, match=message):
            _ = scan.calibrated
    with CCD(scan_path.with_name("factor.h5"), gain=2.0) as scan:  # needs no h5calib
        scan.add(0, images(rng, 1)[0])


def test_modes_that_cannot(scan_path, rng, dark):
    with CCD(scan_path, dark=dark, swmr=True) as scan:
        scan.add(0, images(rng, 1)[0])
        with pytest.raises(CalibrationError, match="with swmr=True"):
            scan.recalibrate(dark=1.0)
    with pytest.raises(openpmd_ccd.SettingError, match="need HDF5"):
        CCD(scan_path.with_suffix(".bp"), dark=dark)


@pytest.mark.parametrize(
    ("text", "si", "dimension"),
    [
        (None, 1, (0,) * 7),
        ("electrons", 1, (0,) * 7),
        ("J/m^2", 1, (0, 1, -2, 0, 0, 0, 0)),
        ("uJ/cm2", 1e-2, (0, 1, -2, 0, 0, 0, 0)),
        ("W/m**2", 1, (0, 1, -3, 0, 0, 0, 0)),
        ("photons/s", 1, (0, 0, -1, 0, 0, 0, 0)),
        ("keV", 1.602176634e-16, (2, 1, -2, 0, 0, 0, 0)),
        ("kg", 1, (0, 1, 0, 0, 0, 0, 0)),
    ],
)
def test_units(text, si, dimension):
    assert (unit(text).si, unit(text).dimension) == (pytest.approx(si, rel=1e-12), dimension)
