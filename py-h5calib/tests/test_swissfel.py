"""JUNGFRAU files of SwissFEL, PSI's binary gain maps."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from facilities import digests, write_swissfel

import h5calib
from h5calib.cli import main
from h5calib.files.psi import gain_maps as psi
from h5calib.files.psi import swissfel

PATH = "data/JF07T02V01/data"


def run(*arguments, status=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def same(a, b):
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=True)


@pytest.fixture
def made(tmp_path, rng):
    """Two modules: raw, pedestal, gain and the paths of their files."""
    raw = rng.integers(0, 1 << 16, (6, 1024, 1024), dtype="u2")
    pedestal = rng.uniform(1000, 14000, (3, 1024, 1024)).astype("f4")
    signs = np.array([40, -1.5, -0.1, 90], "f4").reshape(4, 1, 1)
    gain = rng.uniform(0.9, 1.1, (4, 1024, 1024)).astype("f4") * signs
    return raw, pedestal, gain, write_swissfel(tmp_path, raw, pedestal, gain)


def create(tmp_path, paths, *more, status=0):
    constants = [part for path in paths[1:] for part in ("--constants", path)]
    return run("create", tmp_path / "v.h5", "--raw", paths[0], *constants, *more, status=status)


def test_real_frames(data_folder, tmp_path):
    """Written in SwissFEL's layout, against an outside reference; see the data's own notes."""
    with np.load(data_folder / "jungfrau_mod5.npz") as file:
        data = dict(file)
    gain = data["gain_adu_per_photon"]
    paths = write_swissfel(tmp_path, data["raw"], data["pedestal"], gain)
    before = digests(tmp_path)
    text = create(tmp_path, paths, "--dtype", "f8", "--digest-raw")
    assert "guessed: layout swissfel, it has data/JF07T02V01/data" in text
    assert "high_gain=false from bit 0 of daq_rec" in text
    with h5py.File(tmp_path / "v.h5") as view:
        found = view[PATH][()]
    held, raw = data["heldout"], data["raw"][data["heldout"]]
    difference = np.abs(found[held] - data["conv"][held])
    # A stage without pixels would pass, so that none may be: how many there are is counted from
    # the upper byte of each pixel alone. Each of them is compared, or saturated, or has no known
    # constants. Of G2 that is 14 of 82 pixels in these frames: few, and all there are, because
    # the gain could be recovered for few pixels and frames it was recovered from do not count.
    gain_bits = np.bincount(raw.view("u1")[..., 1::2].ravel() >> 6, minlength=4)
    for stage, (code, limit) in enumerate(zip((0, 1, 3), (2.3e-6, 4.2e-5, 4.1e-4), strict=True)):
        known = (gain[stage] != 0) & ~np.isin(data["pedestal"][stage], (0, 16383))
        here, saturated = raw >> 14 == code, raw == 0xC000
        chosen = here & known & ~saturated
        lost = here & (saturated | ~known)
        assert 0 < chosen.sum() == gain_bits[code] - lost.sum()
        assert difference[chosen].max() <= limit
    assert np.isnan(found[:, gain[0] == 0][data["raw"][:, gain[0] == 0] < 0x4000]).all()
    assert "nothing changed" in run("verify", tmp_path / "v.h5", "--values")
    assert {k: v for k, v in digests(tmp_path).items() if k != "v.h5"} == before


def test_values_links_and_frames(made, tmp_path):
    raw, pedestal, gain, paths = made
    good = np.array([1, 0, 1, 1, 0, 1])
    with h5py.File(paths[0], "r+") as file:
        file["data/JF07T02V01/is_good_frame"][:, 0] = good
    text = create(tmp_path, paths, "--frames", "good", "--option", "photon_energy=9.2")
    assert "4 of 6 frames are good" in text
    calibration = h5calib.Jungfrau(pedestal, gain, photon_energy=9.2)
    with h5py.File(tmp_path / "v.h5") as view:
        assert same(view[PATH][()], calibration.reference(raw[good == 1], dtype="f4"))
        about = h5calib.describe(view[PATH])
        assert about["constants"]["pedestal"]["file"] == "pedestal.h5"
        assert about["constants"]["pixel_mask"]["file"] == "pedestal.h5"
        assert about["constants"]["gain"]["file"] == "gains.h5"
        assert view["data/JF07T02V01/pulse_id"][:, 0].tolist() == [1000, 1002, 1003, 1005]
        assert about["detector"] == "JF07T02V01, JUNGFRAU"


@pytest.mark.parametrize(
    ("frames", "chosen"), [("0,5,3", [0, 5, 3]), ("1:6:2", [1, 3, 5]), ("{}:/f", [2, 4])]
)
def test_frames(made, tmp_path, frames, chosen):
    raw, pedestal, gain, paths = made
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["f"] = np.array([2, 4])
    create(tmp_path, paths, "--frames", frames.format(tmp_path / "f.h5"))
    with h5py.File(tmp_path / "v.h5") as view:
        expected = h5calib.Jungfrau(pedestal, gain).reference(raw[chosen], dtype="f4")
        assert same(view[PATH][()], expected)
        pulses = view["data/JF07T02V01/pulse_id"][:, 0]
        assert pulses.tolist() == [1000 + frame for frame in chosen]


def test_high_gain(made, tmp_path):
    raw, pedestal, gain, paths = made
    with h5py.File(paths[0], "r+") as file:
        file["data/JF07T02V01/daq_rec"][...] = 3
    with h5py.File(paths[1], "r+") as file:
        del file["gains"]
        file["gains"] = pedestal = np.concatenate([pedestal, pedestal[:1] + 7])
    assert "high_gain=true from bit 0 of daq_rec" in create(tmp_path, paths)
    with h5py.File(tmp_path / "v.h5") as view:
        expected = h5calib.Jungfrau(pedestal, gain, high_gain=True).reference(raw, dtype="f4")
        assert same(view[PATH][()], expected)


def test_module_map_and_binary_gain_maps(tmp_path, rng):
    """Data of modules 2 and 0, in this order, of a detector of three."""
    raw = rng.integers(0, 1 << 14, (2, 1024, 1024), dtype="u2")
    pedestal = rng.uniform(1000, 14000, (3, 3 * 512, 1024)).astype("f4")
    gain = rng.uniform(30, 50, (3, 3 * 512, 1024)) * np.array([1, -1, -1]).reshape(3, 1, 1)
    rows = np.array([[1, -1, 0]] * 2, "i8")
    paths = write_swissfel(tmp_path, raw, pedestal, gain, module_map=rows)
    order = np.r_[2 * 512 : 3 * 512, 0:512]
    text = create(tmp_path, paths)
    assert "of modules 2, 0, stored in the view" in text
    expected = h5calib.Jungfrau(pedestal[:, order], gain[:, order]).reference(raw, dtype="f4")
    with h5py.File(tmp_path / "v.h5") as view:
        assert same(view[PATH][()], expected)
    binary = []
    for number in (2, 0):
        binary.append(tmp_path / f"gainMaps_M{number:03d}.bin")
        gain[:, number * 512 : (number + 1) * 512].astype("<f8").tofile(binary[-1])
    assert psi.read_gain_maps(binary[0]).shape == (3, 512, 1024)
    create(tmp_path, [*paths[:2], *binary], "--overwrite")
    with h5py.File(tmp_path / "v.h5") as view:
        assert same(view[PATH][()], expected)


def test_which_file_is_the_gain_file_without_a_mask(made, tmp_path):
    paths = made[3]
    with h5py.File(paths[1], "r+") as file:
        del file["pixel_mask"]
    text = create(tmp_path, [paths[0], paths[2], paths[1]])
    assert f"{paths[1]}: pedestal" in text
    assert f"{paths[2]}: gain" in text
    assert swissfel.detectors(paths[0]) == ["JF07T02V01"]


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        ({"daq_rec": [[0], [1]]}, [], "some frames were taken in high gain, some not: make two"),
        ({"module_map": [[0, 1], [1, 0]]}, [], "module_map differs between frames"),
        ({"module_map": [[0, 1, 2], [0, 1, 2]]}, [], "names 3 modules, the data has 2"),
        ({"module_map": [[-1, 0, 1]]}, [], "module_map names module 2: give the constants of this"),
        ({}, ["--detector", "JF1"], "detector 'JF1' is not in"),
        ({}, ["--constants", "nope.h5"], "there is no file nope.h5"),
        ({}, ["--constants", "{raw}"], "has no dataset gains"),
        ({}, ["--constants", "{bin}"], "has 8 bytes: gain maps are 3, 4 or 6 times"),
        ({}, ["--frames", "x"], "--frames 'x' is not possible: give 0,5,7"),
        ({}, ["--frames", "9"], "no frame 9, raw data has frames 0 to 1"),
        ({}, ["--modules", "1"], "--modules is for --layout euxfel, not swissfel"),
        ({"is_good_frame": None}, ["--frames", "good"], "is_good_frame: leave out --frames good"),
        ({}, ["--layout", "nexus"], "has its constants beside its data: leave out --constants"),
        ({}, ["--layout", "plain"], "--constants: not for a single dataset; leave out"),
        ({}, ["--constant", "a=b"], "no algorithm|--algorithm"),
    ],
)
def test_mistakes(tmp_path, change, more, message):
    ones = np.ones((3, 1024, 1024), "f4")
    given = {name: np.array(v) for name, v in change.items() if v is not None}
    gain = ones * np.array([1, -1, -1]).reshape(3, 1, 1)
    paths = write_swissfel(tmp_path, np.zeros((2, 1024, 1024), "u2"), ones, gain, **given)
    (tmp_path / "g.bin").write_bytes(b"12345678")
    if "is_good_frame" in change:
        with h5py.File(paths[0], "r+") as file:
            del file["data/JF07T02V01/is_good_frame"]
    more = [m.format(raw=paths[0], bin=tmp_path / "g.bin") for m in more]
    text = create(tmp_path, paths, *more, status=1)
    assert any(m in text for m in message.split("|")), text
    assert not (tmp_path / "v.h5").exists()


def test_no_constants(made, tmp_path):
    assert "no pedestal among the constants: add the pedestal file with --constants" in run(
        "create", tmp_path / "v.h5", "--raw", made[3][0], status=1
    )
    assert "no gain among the constants" in create(tmp_path, made[3][:2], status=1)
