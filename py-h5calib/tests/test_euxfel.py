"""Runs of the European XFEL, written by EXtra-data's own mock writer."""

from __future__ import annotations

import shutil
import sys

import h5py
import numpy as np
import pytest
from facilities import (
    AGIPD,
    CELLS,
    DSSC,
    JF,
    LPD,
    MODULES,
    ODD,
    agipd_reference,
    check_all_modules,
    digests,
    make_folder,
    run,
    same,
    write_agipd,
    write_database,
    write_jungfrau,
    write_xtdf,
)

import h5calib

extra_data = pytest.importorskip("extra_data", reason="pip install EXtra-data")
from extra_data.tests.mockdata.detectors import AGIPDModule, DSSCModule, LPDModule  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path)


@pytest.fixture
def agipd(folder, rng):
    return write_agipd(folder, rng)


def test_agipd(folder, agipd):
    before = digests(folder / "raw")
    template = f"{folder}/constants/AGIPD{{module:02d}}.h5"
    text = run("create", folder / "view.h5", "--raw", folder / "raw", "--constants", template)
    assert (
        f"guessed: layout euxfel, it has the groups INSTRUMENT and INDEX found: detector {AGIPD}"
        in text
    )
    assert "pedestal = Offset, axes xycs (modules 0 to 15)" in text
    with h5py.File(folder / "view.h5") as view:
        for m in MODULES:
            image = view[f"INSTRUMENT/{AGIPD}/DET/{m}CH0:xtdf/image"]
            assert same(image["data"][()], agipd_reference(folder, m, agipd[m]))
            for name in ("trainId", "pulseId", "cellId"):
                assert isinstance(image.get(name, getlink=True), h5py.ExternalLink)
                assert image[name].shape == (len(image["data"]), 1)
            linked = h5calib.describe(image["data"])["constants"]["pedestal"]
            assert linked["file"] == f"constants/AGIPD{m:02d}.h5"  # not a copy
    assert (folder / "view.h5").stat().st_size < 500_000
    source = f"{AGIPD}/DET/9CH0:xtdf"
    seen = extra_data.RunDirectory(str(folder / "raw"))[source, "image.data"]
    assert list(seen.data_counts(labelled=False)) == ODD[9]
    for path in (folder / "raw").glob("*.json"):
        path.unlink()  # what RunDirectory keeps
    assert digests(folder / "raw") == before


def test_agipd_all_modules_also_elsewhere(folder, agipd, tmp_path):
    run("create", folder / "view.h5", "--raw", folder / "raw", "--constants", folder / "constants")
    with h5py.File(folder / "view.h5") as view:
        check_all_modules(view[f"{AGIPD}/data"], folder, agipd)
    (tmp_path / "far").mkdir()
    moved = shutil.move(folder, tmp_path / "far/away")
    with h5py.File(moved / "view.h5") as view:
        check_all_modules(view[f"{AGIPD}/data"], moved, agipd)


def test_agipd_a_view_for_each_file(folder, agipd, tmp_path):
    before = digests(folder / "raw")
    constants = ("--constants", folder / "constants")
    text = run("create", folder, "--raw", folder / "raw", *constants, "--per-file")
    assert "CORR-R0034-AGIPD15-S00000.h5" in text
    moved = shutil.move(folder, tmp_path / "moved")
    with h5py.File(moved / "overview.h5") as view:
        check_all_modules(view[f"{AGIPD}/data"], moved, agipd)
    assert digests(moved / "raw") == before
    assert "exists: choose another" in run(
        *("create", moved, "--raw", moved / "raw", "--constants", moved / "constants"),
        "--per-file",
        status=1,
    )


def test_extra_data_reads_views_of_files(folder, agipd):
    constants = ("--constants", folder / "constants")
    run("create", folder / "proc", "--raw", folder / "raw", *constants, "--per-file")
    (folder / "proc/overview.h5").unlink()
    seen = extra_data.RunDirectory(str(folder / "proc"))[f"{AGIPD}/DET/3CH0:xtdf", "image.data"]
    assert list(seen.data_counts(labelled=False)) == ODD[3]
    assert same(seen.ndarray(), agipd_reference(folder, 3, agipd[3]))


def test_several_files_of_a_module(folder, rng):
    write_xtdf(folder / "raw", rng, AGIPDModule, "AGIPD", AGIPD, [0, 1], sequences=2)
    constants = write_database(folder / "constants/all.h5", rng, 512, 128, thresholds=True)
    run(
        "create",
        folder / "v.h5",
        "--raw",
        folder / "raw",
        "--constants",
        f"all={folder}/constants/all.h5",
    )
    with h5py.File(folder / "v.h5") as view:
        for m in (0, 1):
            both = [agipd_reference(folder, m, constants, sequence) for sequence in (0, 1)]
            data = view[f"INSTRUMENT/{AGIPD}/DET/{m}CH0:xtdf/image/data"]
            assert same(data[()], np.concatenate(both))
            assert same(view[f"{AGIPD}/data"][:, m], np.concatenate(both))


def test_cheetah(folder, rng):
    write_xtdf(folder / "raw", rng, AGIPDModule, "AGIPD", AGIPD, [2])
    shape = (3, CELLS, 512, 128)
    maps = {
        "AnalogOffset": rng.integers(3000, 6000, shape, dtype="i2"),
        "DigitalGainLevel": rng.integers(0, 12000, shape, dtype="u2"),
        "RelativeGain": rng.uniform(0.5, 50, shape).astype("f4"),
        "Badpixel": (rng.random(shape) < 0.05).astype("u1"),
    }
    with h5py.File(folder / "constants/Cheetah-AGIPD02-calib.h5", "w") as file:
        for name, values in maps.items():
            file[name] = values
    text = run(
        *("create", folder / "v.h5", "--raw", folder / "raw"),
        *("--constants", folder / "constants", "--modules", 2),
    )
    assert "constants of Cheetah's layout (stage, cell, y, x)" in text
    with h5py.File(folder / "raw/RAW-R0034-AGIPD02-S00000.h5") as file:
        image = file[f"INSTRUMENT/{AGIPD}/DET/2CH0:xtdf/image"]
        (signal, voltage), cells = image["data"][()].swapaxes(0, 1), image["cellId"][()].ravel()
    levels = maps["DigitalGainLevel"][:, cells]
    stage = np.where(voltage > levels[2], 2, np.where(voltage > levels[1], 1, 0))[None]
    offset, gain, bad = (
        np.take_along_axis(maps[name][:, cells], stage, 0)[0]
        for name in ("AnalogOffset", "RelativeGain", "Badpixel")
    )
    expected = np.where(bad, 0, (signal.astype("f4") - offset.astype("f4")) * gain)
    with h5py.File(folder / "v.h5") as view:
        assert same(view[f"INSTRUMENT/{AGIPD}/DET/2CH0:xtdf/image/data"][()], expected)


def test_lpd(folder, rng):
    write_xtdf(folder / "raw", rng, LPDModule, "LPD", LPD, MODULES, ODD)
    before = digests(folder / "raw")
    factors = ("RelativeGain", "GainAmpMap", "FFMap")
    k = {
        m: write_database(folder / f"constants/LPD{m:02d}.h5", rng, 256, 256, factors)
        for m in MODULES
    }
    run("create", folder / "v.h5", "--raw", folder / "raw", "--constants", folder / "constants")
    with h5py.File(folder / "v.h5") as view:
        for m in MODULES:
            calibration = h5calib.Lpd(
                k[m]["Offset"],
                relative_gain=k[m]["RelativeGain"],
                gain_amp_map=k[m]["GainAmpMap"],
                flat_field=k[m]["FFMap"],
                bad_pixels=k[m]["BadPixelsDark"],
            )
            path = f"INSTRUMENT/{LPD}/DET/{m}CH0:xtdf/image"
            with h5py.File(folder / f"raw/RAW-R0034-LPD{m:02d}-S00000.h5") as raw:
                cells = raw[path]["cellId"][()]
                expected = calibration.reference(raw[path]["data"][()], cells, "f4")
            assert same(view[path]["data"][()], expected)
        whole = view[f"{LPD}/data"]
        assert whole.shape == (14, 16, 256, 256)
        assert same(whole[:, 9], view[f"INSTRUMENT/{LPD}/DET/9CH0:xtdf/image/data"][:, 0])
    assert digests(folder / "raw") == before


def test_dssc(folder, rng):
    write_xtdf(folder / "raw", rng, DSSCModule, "DSSC", DSSC, [0, 1])
    before = digests(folder / "raw")
    offset = rng.uniform(0, 50, (512, 128, CELLS))
    with h5py.File(folder / "constants/dssc.h5", "w") as file:
        file["Offset"] = offset
    run(
        "create", folder / "v.h5", "--raw", folder / "raw", "--constants", f"all={folder}/constants"
    )
    calibration = h5calib.Dssc(offset.transpose(2, 1, 0))
    with h5py.File(folder / "v.h5") as view:
        for m in (0, 1):
            path = f"INSTRUMENT/{DSSC}/DET/{m}CH0:xtdf/image"
            with h5py.File(folder / f"raw/RAW-R0034-DSSC{m:02d}-S00000.h5") as raw:
                cells = raw[path]["cellId"][()]
                expected = calibration.reference(raw[path]["data"][()], cells, "f4")
            assert same(view[path]["data"][()], expected)
            assert same(view[f"{DSSC}/data"][:, m], expected[:, 0])
    assert digests(folder / "raw") == before


@pytest.mark.parametrize("codes_in_adc", [False, True])
def test_jungfrau(folder, rng, codes_in_adc, tmp_path):
    write_jungfrau(folder / "raw", rng, [1, 2], codes_in_adc=codes_in_adc)
    before = digests(folder / "raw")
    shape = (1024, 512, CELLS, 3)
    offset = rng.uniform(1000, 15000, shape)
    gain = rng.uniform(0.1, 40, shape) * np.array([1, -1, -1])
    with h5py.File(folder / "constants/jf.h5", "w") as file:
        file["Offset10Hz/0/data"], file["RelativeGain10Hz/0/data"] = offset, gain
    text = run(
        "create",
        folder / "v.h5",
        "--raw",
        folder / "raw",
        "--constants",
        f"all={folder}/constants/jf.h5",
    )
    assert ("gain from bits" if codes_in_adc else "gain from the dataset gain") in text
    calibration = h5calib.Jungfrau(h5calib.Constant(offset, "xycs"), h5calib.Constant(gain, "xycs"))
    folder = shutil.move(folder, tmp_path / "moved")
    with h5py.File(folder / "v.h5") as view:
        for m in (1, 2):
            path = f"INSTRUMENT/{JF}/DET/JNGFR{m:02d}:daqOutput/data"
            with h5py.File(folder / f"raw/RAW-R0012-JNGFR{m:02d}-S00000.h5") as raw:
                group = raw[path]
                bits = group["adc"][()] | group["gain"][()].astype("u2") << 14
                expected = calibration.reference(bits, group["memoryCell"][()], "f4")
            assert same(view[path]["adc"][()], expected)
            assert same(view[f"{JF}/data"][:, :, m - 1], expected)
            assert isinstance(view[path].get("memoryCell", getlink=True), h5py.ExternalLink)
    assert "nothing changed" in run("verify", folder / "v.h5", "--values", "--samples", 2)
    assert digests(folder / "raw") == before


def test_masks_of_the_database_together_and_thresholds_of_five(folder, rng):
    write_xtdf(folder / "raw", rng, AGIPDModule, "AGIPD", AGIPD, [0])
    k = write_database(folder / "constants/c.h5", rng, 512, 128, thresholds=True)
    more = (rng.random((128, 512, CELLS)) < 0.1).astype("u4")
    with h5py.File(folder / "constants/c.h5", "r+") as file:
        file["BadPixelsPC"] = more
        five = file["ThresholdsDark/0/data"][()]
        del file["ThresholdsDark"]
        file["ThresholdsDark"] = np.concatenate([five, five[..., :1], five], -1)
        file["SlopesPC"] = np.zeros((128, 512, CELLS, 10))
    text = run(
        "create", folder / "v.h5", "--raw", folder / "raw", "--constants", folder / "constants"
    )
    assert "mask = BadPixelsDark | BadPixelsPC, stored" in text
    assert "SlopesPC is not used: its shape" in text
    k["BadPixelsDark"] = k["BadPixelsDark"] | more.transpose(2, 1, 0)[:, None]
    with h5py.File(folder / "v.h5") as view:
        data = view[f"INSTRUMENT/{AGIPD}/DET/0CH0:xtdf/image/data"]
        assert same(data[()], agipd_reference(folder, 0, k))


def test_again(folder, rng, contents):
    write_xtdf(folder / "raw", rng, AGIPDModule, "AGIPD", AGIPD, [0, 1], sequences=2)
    write_database(folder / "constants/all.h5", rng, 512, 128, thresholds=True)
    write_database(folder / "few.h5", rng, 512, 128, thresholds=True, cells=2)
    create = ("create", folder / "v.h5", "--raw", folder / "raw", "--constants")
    run(*create, f"all={folder}/constants")
    with h5py.File(folder / "v.h5") as view:
        before = contents(view)
    assert "exists in" in run(*create, f"all={folder}/constants", status=1)
    more = ("--constants", f"1={folder}/few.h5", "--overwrite")
    assert "has memory cell" in run(*create, f"all={folder}/constants", *more, status=1)
    with h5py.File(folder / "v.h5") as view:
        assert contents(view) == before
    run(*create, f"all={folder}/constants", "--overwrite")
    with h5py.File(folder / "v.h5") as view:
        assert len(view["h5calib"]) == 8  # each file of each module, alone and for the whole


def test_a_raw_file_is_never_the_view(folder, rng):
    write_xtdf(folder / "raw", rng, AGIPDModule, "AGIPD", AGIPD, [0])
    write_database(folder / "c.h5", rng, 512, 128, thresholds=True)
    before, raw = digests(folder / "raw"), folder / "raw/RAW-R0034-AGIPD00-S00000.h5"
    more = ("--constants", folder / "c.h5", "--overwrite")
    assert "is a raw file, which is only read" in run("create", raw, "--raw", raw, *more, status=1)
    assert digests(folder / "raw") == before


def test_data_of_others_stays(folder, rng):
    write_xtdf(folder / "raw", rng, AGIPDModule, "AGIPD", AGIPD, [0])
    write_database(folder / "c.h5", rng, 512, 128, thresholds=True)
    with h5py.File(folder / "v.h5", "w") as view:
        view[f"INSTRUMENT/{AGIPD}/DET/0CH0:xtdf/image/cellId"] = np.arange(3)
    more = ("--constants", folder / "c.h5")
    text = run("create", folder / "v.h5", "--raw", folder / "raw", *more, status=1)
    assert "cellId in" in text
    assert "is data, where a link to" in text
    with h5py.File(folder / "v.h5") as view:
        assert list(view[f"INSTRUMENT/{AGIPD}/DET/0CH0:xtdf/image"]) == ["cellId"]
        assert "h5calib" not in view


def test_without_extra_data(folder, rng, monkeypatch):
    write_xtdf(folder / "raw", rng, AGIPDModule, "AGIPD", AGIPD, [0])
    monkeypatch.setitem(sys.modules, "extra_data", None)
    text = run("create", folder / "v.h5", "--raw", folder / "raw", status=1)
    assert "read with EXtra-data: pip install 'h5calib[euxfel]'" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--constants", "{}/nope"], "there is no file or folder {}/nope: correct its name"),
        ([], "no Offset among the constants (none found): give files of the calibration"),
        (["--detector", "X"], f"detectors in {{}}/raw: {AGIPD}; say which with --detector"),
        (["--modules", "0,5"], f"{AGIPD} has no modules [5] in this run, it has [0]"),
        (["--frames", "10"], "no frame 10, raw data has frames 0 to 9"),
        (["--frames", "5,3"], "frames of a run stay in the order of train and pulse: give rising"),
        (["--frames", "good"], "frames: give a one-dimensional list"),
        (["--frames", "1", "--per-file"], "a view of a raw file has all its frames"),
        (["--per-module", "--per-file"], "--per-file and --per-module: choose one"),
        (["--parallel-gain"], f"{AGIPD} has no parallel gain: that is for LPD"),
        (["--layout", "swissfel"], "is a folder: layout swissfel needs the name of a file"),
        (["--algorithm", "agipd"], "Agipd needs the constant"),
        (["--constants", "{}/c.h5", "--option", "x=1"], "'x'"),
        (["--constants", "{}/few.h5"], "frame 1 has memory cell 3, the constants have cells 0"),
        (["--per-file", "--algorithm", "agipd"], "--per-file: not for a single dataset"),
    ],
)
def test_mistakes(folder, rng, arguments, message):
    write_xtdf(folder / "raw", rng, AGIPDModule, "AGIPD", AGIPD, [0])
    write_database(folder / "c.h5", rng, 512, 128, thresholds=True)
    write_database(folder / "few.h5", rng, 512, 128, thresholds=True, cells=2)
    given = [a.format(folder) for a in arguments]
    text = run("create", folder / "v.h5", "--raw", folder / "raw", *given, status=1)
    assert message.format(folder) in text
    assert not (folder / "v.h5").exists()
