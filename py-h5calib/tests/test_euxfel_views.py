"""Runs of the European XFEL: a view for each module, chosen frames, LPD's parallel gain."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest
from facilities import (
    AGIPD,
    CELLS,
    COUNTS,
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
from h5calib.files import plan_view, write_run, write_view

extra_data = pytest.importorskip("extra_data", reason="pip install EXtra-data")
from extra_data.components import LPD1M  # noqa: E402
from extra_data.tests.mockdata.detectors import AGIPDModule, LPDModule  # noqa: E402

IDS = ("trainId", "pulseId", "cellId")


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path)


@pytest.fixture
def agipd(folder, rng):
    return write_agipd(folder, rng)


def raw_group(file, detector, module):
    return file[f"INSTRUMENT/{detector}/DET/{module}CH0:xtdf/image"]


def raw_file(folder, name, module, sequence=0):
    return h5py.File(folder / f"raw/RAW-R0034-{name}{module:02d}-S{sequence:05d}.h5")


def test_a_view_for_each_module(folder, agipd, tmp_path):
    before = digests(folder / "raw")
    constants = ("--constants", folder / "constants")
    text = run("create", folder / "proc", "--raw", folder / "raw", *constants, "--per-module")
    assert f"{AGIPD}_module15.h5" in text
    names = sorted(path.name for path in (folder / "proc").iterdir())
    assert names == [*(f"{AGIPD}_module{m:02d}.h5" for m in MODULES), "overview.h5"]
    moved = shutil.move(folder, tmp_path / "moved")
    for m in MODULES:
        with h5py.File(moved / f"proc/{AGIPD}_module{m:02d}.h5") as view:
            image = raw_group(view, AGIPD, m)
            assert list(view["INSTRUMENT"][AGIPD]["DET"]) == [f"{m}CH0:xtdf"]
            assert same(image["data"][()], agipd_reference(moved, m, agipd[m]))
            with raw_file(moved, "AGIPD", m) as raw:
                for name in IDS:
                    assert isinstance(image.get(name, getlink=True), h5py.ExternalLink)
                    assert same(image[name][()], raw_group(raw, AGIPD, m)[name][()])
    with h5py.File(moved / "proc/overview.h5") as view:
        check_all_modules(view[f"{AGIPD}/data"], moved, agipd)
    assert digests(moved / "raw") == before
    again = ("create", moved / "proc", "--raw", moved / "raw", "--constants", moved / "constants")
    assert "exists: choose another" in run(*again, "--per-module", status=1)
    assert sorted(path.name for path in (moved / "proc").iterdir()) == names


def test_several_files_of_a_module_in_its_view(folder, rng):
    """One after the other, also their ids."""
    write_xtdf(folder / "raw", rng, AGIPDModule, "AGIPD", AGIPD, [0, 1], sequences=2)
    constants = write_database(folder / "constants/all.h5", rng, 512, 128, thresholds=True)
    given = {"constants": [str(folder / "constants")], "modules": [1]}
    found, paths = write_run(str(folder / "proc"), str(folder / "raw"), given, per="module")
    assert [path.rpartition("/")[2] for path in paths] == [f"{AGIPD}_module01.h5", "overview.h5"]
    assert "2 modules in 4 files" in found[0]
    both = np.concatenate([agipd_reference(folder, 1, constants, s) for s in (0, 1)])
    with h5py.File(paths[0]) as view, h5py.File(paths[1]) as overview:
        image = raw_group(view, AGIPD, 1)
        assert same(image["data"][()], both)
        assert same(overview[f"{AGIPD}/data"][:, 0], both)
        for name in IDS:
            ids = []
            for sequence in (0, 1):
                with raw_file(folder, "AGIPD", 1, sequence) as raw:
                    ids.append(raw_group(raw, AGIPD, 1)[name][()])
            assert same(image[name][()], np.concatenate(ids))


def test_where_one_module_fails_no_file_is_left(folder, rng):
    write_xtdf(folder / "raw", rng, AGIPDModule, "AGIPD", AGIPD, [0, 1])
    write_database(folder / "constants/AGIPD00.h5", rng, 512, 128, thresholds=True)
    write_database(folder / "constants/AGIPD01.h5", rng, 512, 128, thresholds=True, cells=2)
    create = ("create", folder / "proc", "--raw", folder / "raw", "--per-module", "--constants")
    assert "has memory cell" in run(*create, folder / "constants", status=1)
    assert not list((folder / "proc").iterdir())


def frames_of(counts, chosen):
    """Whether each frame of a module with these frames a train is among the chosen ones.

    The run's frames are those of the longest of each train.
    """
    longest = np.max([ODD.get(m, COUNTS) for m in MODULES], axis=0)
    every = [(train, pulse) for train, n in enumerate(longest) for pulse in range(n)]
    wanted = {every[i] for i in chosen}
    return np.array([(t, p) in wanted for t, n in enumerate(counts) for p in range(n)], bool)


@pytest.mark.parametrize("arguments", ["0,4,5,11", "2:14:3", "{}/f.h5:/numbers", "{}/f.h5:/flags"])
def test_frames_of_a_run(folder, agipd, arguments):
    chosen = {"0": [0, 4, 5, 11], "2": [2, 5, 8, 11]}.get(arguments[0], [1, 7, 13])
    with h5py.File(folder / "f.h5", "w") as file:
        file["numbers"], file["flags"] = chosen, np.isin(np.arange(14), chosen)
    run(
        *("create", folder / "view.h5", "--raw", folder / "raw", "--constants"),
        *(folder / "constants", "--frames", arguments.format(folder)),
    )
    with h5py.File(folder / "view.h5") as view:
        whole = view[f"{AGIPD}/data"]
        counts = np.max([ODD.get(m, COUNTS) for m in MODULES], axis=0)
        trains = np.repeat(10000 + np.arange(4), counts)[chosen]
        pulses = np.concatenate([np.arange(n) for n in counts])[chosen]
        assert whole.shape == (len(chosen), 16, 512, 128)
        assert same(whole.parent["trainId"][()], trains.astype("u8"))
        assert same(whole.parent["pulseId"][()], pulses.astype("u8"))
        for m in (0, 3, 7, 9):
            taken = frames_of(ODD.get(m, COUNTS), chosen)
            expected = agipd_reference(folder, m, agipd[m])[taken]
            image = raw_group(view, AGIPD, m)
            assert same(image["data"][()], expected)
            with raw_file(folder, "AGIPD", m) as raw:
                for name in IDS:
                    assert same(image[name][()], raw_group(raw, AGIPD, m)[name][()][taken])
            own = np.array(ODD.get(m, COUNTS))
            there = pulses < own[trains - 10000]
            assert same(whole[:, m][there], expected)
            assert np.isnan(whole[:, m][~there]).all()
    assert "nothing changed" in run("verify", folder / "view.h5", "--values", "--samples", 2)


@pytest.mark.parametrize("output", ["mask", "gain_stage"])
def test_companions_of_a_run(folder, agipd, output):
    """A frame that a module lacks is neither usable nor in a gain stage."""
    more = ("--constants", folder / "constants", "--option", f"output={output}")
    run("create", folder / "v.h5", "--raw", folder / "raw", *more, "--modules", "3,9")
    with h5py.File(folder / "v.h5") as view:
        whole = view[f"{AGIPD}/data"]
        assert whole.dtype == "u1"
        trains, pulses = (whole.parent[name][()] for name in ("trainId", "pulseId"))
        with raw_file(folder, "AGIPD", 3) as raw:
            image = raw_group(raw, AGIPD, 3)
            data, cells = image["data"][()], image["cellId"][:, 0]
        k = {name: values[cells] for name, values in agipd[3].items()}
        above = data[:, 1, None].astype("f4") > k["ThresholdsDark"].astype("f4")
        stage = np.where(above[:, 1], 2, above[:, 0])
        bad = np.take_along_axis(k["BadPixelsDark"], stage[:, None], 1)[:, 0] != 0
        own = np.array(ODD[3])
        there = pulses < own[trains - 10000]
        assert np.array_equal(whole[:, 0][there], bad if output == "mask" else stage)
        assert (whole[:, 0][~there] == 255).all()
        assert not there.all()


def test_other_frames_later(folder, rng):
    write_xtdf(folder / "raw", rng, AGIPDModule, "AGIPD", AGIPD, [0], sequences=2)
    k = write_database(folder / "constants/all.h5", rng, 512, 128, thresholds=True)
    both = np.concatenate([agipd_reference(folder, 0, k, s) for s in (0, 1)])
    trains = np.repeat(10000 + np.arange(8), COUNTS * 2)
    create = ("create", folder / "v.h5", "--raw", folder / "raw", "--constants")
    for more, taken in (
        (["--frames", "1:3"], np.r_[1:3]),
        (["--frames", "0:20:7", "--overwrite"], np.r_[0:20:7]),
        (["--overwrite"], np.r_[0:20]),
    ):
        run(*create, folder / "constants", *more)
        with h5py.File(folder / "v.h5") as view:
            image = raw_group(view, AGIPD, 0)
            assert same(image["data"][()], both[taken])
            assert same(image["trainId"][:, 0], trains[taken].astype("u8"))
            assert same(view[f"{AGIPD}/data"][:, 0], both[taken])


@pytest.mark.parametrize("codes_in_adc", [False, True])
def test_trains_of_a_jungfrau(folder, rng, codes_in_adc, tmp_path):
    write_jungfrau(folder / "raw", rng, [1, 2], trains=4, codes_in_adc=codes_in_adc)
    before = digests(folder / "raw")
    with h5py.File(folder / "constants/jf.h5", "w") as file:
        offset = file["Offset10Hz/0/data"] = rng.uniform(1000, 15000, (1024, 512, CELLS, 3))
        slopes = rng.uniform(0.1, 40, offset.shape) * np.array([1, -1, -1])
        gain = file["RelativeGain10Hz/0/data"] = slopes
    given = {"constants": [f"all={folder}/constants"], "frames": [0, 2, 3]}
    (folder / "proc").mkdir()
    with h5py.File(folder / "proc/v.h5", "w", libver=("v110", "v110")) as view:
        write_view(view, plan_view(str(folder / "raw"), **given))
    moved = shutil.move(folder, tmp_path / "moved")
    calibration = h5calib.Jungfrau(h5calib.Constant(offset, "xycs"), h5calib.Constant(gain, "xycs"))
    with h5py.File(moved / "proc/v.h5") as view:
        for m in (1, 2):
            path = f"INSTRUMENT/{JF}/DET/JNGFR{m:02d}:daqOutput/data"
            with h5py.File(moved / f"raw/RAW-R0012-JNGFR{m:02d}-S00000.h5") as raw:
                group = raw[path]
                bits = group["adc"][()] | group["gain"][()].astype("u2") << 14
                expected = calibration.reference(bits, group["memoryCell"][()], "f4")[[0, 2, 3]]
                assert same(view[path]["trainId"][()], group["trainId"][()][[0, 2, 3]])
            assert same(view[path]["adc"][()], expected)
            assert same(view[f"{JF}/data"][:, :, m - 1], expected)
            about = h5calib.describe(view[path]["adc"])
            assert about["detector"].startswith(f"{JF}, module {m}, JUNGFRAU")
            assert ("by thresholds" in about["detector"]) != codes_in_adc
    assert digests(moved / "raw") == before


def write_parallel_gain(folder, rng):
    """Two LPD modules; ids of the second and third stage are junk, as EXtra-data says."""
    write_xtdf(folder / "raw", rng, LPDModule, "LPD", LPD, [0, 5], {0: [6, 0, 3], 5: [3, 3, 9]})
    for m in (0, 5):
        with h5py.File(folder / f"raw/RAW-R0034-LPD{m:02d}-S00000.h5", "r+") as file:
            image, start = raw_group(file, LPD, m), 0
            for n in {0: [6, 0, 3], 5: [3, 3, 9]}[m]:
                for name in ("pulseId", "cellId"):
                    image[name][start + n // 3 : start + n] = 777
                start += n


@pytest.mark.parametrize("frames", [None, [0, 2, 3]])
def test_parallel_gain(folder, rng, frames):
    """What EXtra-data reads as gain 0, 1 and 2, calibrated with that stage's constants."""
    write_parallel_gain(folder, rng)
    k = write_database(folder / "constants/lpd.h5", rng, 256, 256, ("RelativeGain",))
    before = digests(folder / "raw")
    more = ["--frames", ",".join(map(str, frames))] if frames else []
    text = run(
        *("create", folder / "v.h5", "--raw", folder / "raw", "--parallel-gain"),
        *("--constants", f"all={folder}/constants", *more),
    )
    assert "parallel gain: high, medium, low one after the other in each train" in text
    files = sorted(str(path) for path in (folder / "raw").iterdir())
    run_ = extra_data.DataCollection.from_paths(files)
    every = [(10000, 0), (10000, 1), (10001, 0), (10002, 0), (10002, 1), (10002, 2)]
    keys = every if frames is None else [every[i] for i in frames]
    with h5py.File(folder / "v.h5") as view:
        for m in (0, 5):
            lpd = LPD1M(run_, modules=[m], parallel_gain=True, raw=True)
            array = lpd.get_array("image.data", unstack_pulses=False).squeeze("module")
            cells = lpd.get_array("image.cellId", unstack_pulses=False).squeeze("module")
            index = array.indexes["train_pulse"]
            for stage, name in enumerate(("high", "medium", "low")):
                found = raw_group(view, LPD, m)[f"{name}/data"]
                rows = [i for i, (t, g, p) in enumerate(index) if g == stage and (t, p) in keys]
                own = np.array([(t, p) for t, g, p in index if g == stage and (t, p) in keys])
                raw = array.values[rows].astype("u2").reshape(-1, 256, 256)
                cell = k_cells(run_, m, own)
                at = {n: v[cell, stage].astype("f4") for n, v in k.items()}
                with np.errstate(all="ignore"):
                    value = (raw & 0xFFF).astype("f4") - at["Offset"]
                    value *= at["RelativeGain"]
                value[at["BadPixelsDark"] != 0] = np.nan
                assert same(found[()].reshape(value.shape), value)
                assert same(found.parent["trainId"][:, 0], own[:, 0].astype("u8"))
                assert same(found.parent["pulseId"][:, 0], own[:, 1].astype("u8"))
                assert same(found.parent["cellId"][:, 0], cell.astype("u2"))
                whole = view[f"{LPD}/{name}/data"]
                assert whole.shape == (len(keys), 2, 256, 256)
                places = [keys.index(tuple(key)) for key in own.tolist()]
                column = whole[:, [0, 5].index(m)]
                assert same(column[places], value)
                assert np.isnan(np.delete(column, places, 0)).all()
            assert len(cells) == len(array)
        about = h5calib.describe(raw_group(view, LPD, 0)["low/data"])
        assert about["parameters"]["fixed_gain"] == 2
    assert digests(folder / "raw") == before


def k_cells(run_, module, keys):
    """The cells of (train, pulse): those of the first third of each train."""
    source = run_[f"{LPD}/DET/{module}CH0:xtdf"]
    trains = source["image.trainId"].ndarray().ravel()
    pulses, cells = (source[f"image.{n}"].ndarray().ravel() for n in ("pulseId", "cellId"))
    return np.array([cells[(trains == t) & (pulses == p)][0] for t, p in keys])


def test_parallel_gain_in_a_view_for_each_module(folder, rng):
    write_parallel_gain(folder, rng)
    write_database(folder / "constants/lpd.h5", rng, 256, 256)
    create = ("create", "--raw", folder / "raw", "--parallel-gain", "--constants")
    run(*create, f"all={folder}/constants", folder / "v.h5")
    run(*create, f"all={folder}/constants", folder / "proc", "--per-module")
    with h5py.File(folder / "v.h5") as one, h5py.File(folder / "proc/overview.h5") as many:
        for name in ("high", "medium", "low"):
            assert same(one[f"{LPD}/{name}/data"][()], many[f"{LPD}/{name}/data"][()])
    text = run(*create, f"all={folder}/constants", folder / "x", "--per-file", status=1)
    assert "a view of a raw file has all its frames" in text
    more = ("--option", "fixed_gain=1")
    text = run(*create, f"all={folder}/constants", folder / "x", *more, status=1)
    assert "parallel gain has all three gain stages: leave out fixed_gain" in text


def test_parallel_gain_of_other_data(folder, rng):
    write_xtdf(folder / "raw", rng, LPDModule, "LPD", LPD, [0], {0: [3, 4]})
    write_database(folder / "constants/lpd.h5", rng, 256, 256)
    create = ("create", folder / "v.h5", "--raw", folder / "raw", "--parallel-gain")
    text = run(*create, "--constants", folder / "constants", status=1)
    assert "has 4 frames of train 10001, which is no multiple of 3" in text
