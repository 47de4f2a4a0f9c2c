"""`h5calib constants`: dark runs become constants in the layouts that `create` takes."""

from __future__ import annotations

import sys
import warnings

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from facilities import CELLS, digests, write_jungfrau, write_swissfel, write_xtdf

import h5calib
from h5calib.cli import main
from h5calib.darks import clipping, statistics
from h5calib.darks import frames as frames_module

AGIPD = "SPB_DET_AGIPD1M-1"


def run(*arguments, status=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


@pytest.fixture
def dark(tmp_path, rng):
    """A file of 40 dark frames with pixels that are not like others; its frames and cells."""
    frames = rng.normal(1000, 5, (40, 16, 24)).round().astype("u2")
    cells = np.arange(40) % 2
    frames[cells == 1] += 300
    frames[:, 3, 4] += 400  # pedestal
    frames[::4, 5, 6] += 90  # noise
    frames[:, 7, 8] = 77  # stuck
    frames[11, 9, 10] = 60000  # one cosmic ray
    with h5py.File(tmp_path / "dark.h5", "w") as file:
        file["raw"], file["cells"] = frames, cells.astype("u2")
    return frames, cells


def clipped(values, clip=4.0):
    """Mean, noise and count over the first axis of whole numbers, outliers left out."""
    values = values.astype("f8")
    distance = np.abs(values - np.median(values, 0))
    inside = distance <= clip * np.maximum(1.482602218505602 * np.median(distance, 0), 1)
    chosen = np.where(inside, values, np.nan)
    return np.nanmean(chosen, 0), np.nanstd(chosen, 0, ddof=1), inside.sum(0)


ARGUMENTS = ("--clip", "4", "--passes", "2")


@pytest.mark.parametrize("small", [False, True])
def test_plain(dark, tmp_path, monkeypatch, small):
    if small:  # some frames and rows at a time: as for data larger than memory
        monkeypatch.setattr(frames_module, "_BLOCK_BYTES", 7 * 16 * 24 * 2)
        monkeypatch.setattr(statistics, "_PORTION_BYTES", 5 * 20 * 24 * 2)
        monkeypatch.setattr(clipping, "_BLOCK", 33 * 20)
    frames, cells = dark
    raw = f"{tmp_path}/dark.h5:/raw"
    more = ("--cell-ids", f"{tmp_path}/dark.h5:/cells", *ARGUMENTS)
    text = run("constants", tmp_path / "out.h5", "--dark", raw, *more)
    assert f"{tmp_path}/out.h5: plain, /count, /pedestal, /noise, /bad_pixels" in text
    with h5py.File(tmp_path / "out.h5") as file:
        found = {name: file[name][()] for name in file}
        assert '"clip": 4.0' in file.attrs["h5calib_dark"]
    for cell in (0, 1):
        mean, noise, count = clipped(frames[cells == cell])
        assert np.allclose(found["pedestal"][cell], mean, rtol=1e-12)
        assert np.allclose(found["noise"][cell], noise, rtol=1e-9, atol=1e-6)
        assert np.array_equal(found["count"][cell], count)
    bad = found["bad_pixels"]
    assert (bad[:, 3, 4] == 1).all()
    assert (bad[0, 5, 6] & 2) == 2
    assert (bad[:, 7, 8] & (1 << 14)).all()
    assert bad[1, 9, 10] == 0  # the cosmic ray was left out
    assert (bad != 0).mean() < 0.02
    constants = ("--constant", f"pedestal={tmp_path}/out.h5:/pedestal@cyx")
    mask = ("--mask", f"{tmp_path}/out.h5:/bad_pixels")
    ids = ("--cell-ids", f"{tmp_path}/dark.h5:/cells")
    view = tmp_path / "view.h5"
    run("create", view, "--raw", raw, "--algorithm", "cell_pedestal", *constants, *mask, *ids)
    with h5py.File(view) as file:
        assert abs(np.nanmedian(file["calibrated"][()])) < 2
        assert np.isnan(file["calibrated"][:, 3, 4]).all()


def test_one_pass_has_all_values(dark, tmp_path):
    pytest.importorskip("matplotlib", reason="pip install matplotlib")
    frames, _ = dark
    more = ("--passes", 1, "--picture", tmp_path / "dark.png")
    run("constants", tmp_path / "out.h5", "--dark", f"{tmp_path}/dark.h5:/raw", *more)
    with h5py.File(tmp_path / "out.h5") as file:
        assert np.allclose(file["pedestal"][0], frames.mean(0))
        assert np.allclose(file["noise"][0], frames.std(0, ddof=1))
    assert (tmp_path / "dark.png").read_bytes()[:4] == b"\x89PNG"


def test_jungfrau_of_swissfel(tmp_path, rng):
    raw = rng.integers(1, (1 << 14) - 1, (9, 512, 1024), dtype="u2")
    codes = np.array([0, 0, 0, 1, 1, 1, 3, 3, 3], "u2").reshape(9, 1, 1)
    gain = np.ones((3, 512, 1024)) * np.array([40, -1.5, -0.1]).reshape(3, 1, 1)
    paths = write_swissfel(tmp_path, raw | codes << 14, gain, gain)
    pedestal = tmp_path / "made.h5"
    text = run("constants", pedestal, "--dark", paths[0], "--passes", 1)
    assert "layout swissfel" in text
    with h5py.File(pedestal) as file:
        expected = np.stack([raw[3 * s : 3 * s + 3].mean(0) for s in range(3)])
        assert np.allclose(file["gains"], expected, rtol=1e-6)
        assert file["gains"].dtype == "f4"
        assert file["pixel_mask"].shape == (512, 1024)
        values, mask = file["gains"][()], file["pixel_mask"][()]
    view = tmp_path / "view.h5"
    run("create", view, "--raw", paths[0], "--constants", pedestal, "--constants", paths[2])
    calibration = h5calib.Jungfrau(values, gain, pixel_mask=mask)
    with h5py.File(view) as file:
        expected = calibration.reference(raw | codes << 14, dtype="f4")
        assert np.array_equal(file["data/JF07T02V01/data"], expected, equal_nan=True)


def test_agipd(tmp_path, rng):
    pytest.importorskip("extra_data", reason="pip install EXtra-data")
    pytest.importorskip("matplotlib", reason="pip install matplotlib")
    from extra_data.tests.mockdata.detectors import AGIPDModule

    for stage in range(3):
        (tmp_path / f"r{stage}").mkdir()
        write_xtdf(tmp_path / f"r{stage}", rng, AGIPDModule, "AGIPD", AGIPD, [0, 4])
    before = [digests(tmp_path / f"r{stage}") for stage in range(3)]
    darks = [part for s in range(3) for part in ("--dark", f"{s}={tmp_path}/r{s}")]
    made = tmp_path / "dark.h5"
    text = run("constants", made, *darks, "--passes", 1, "--picture", tmp_path / "p.png")
    assert "/module_04/Offset" in text
    with h5py.File(made) as file:
        offset, noise, levels = (
            file[f"module_04/{name}"][()] for name in ("Offset", "Noise", "ThresholdsDark")
        )
        assert offset.shape == (128, 512, CELLS, 3)
    voltage = np.zeros((3, CELLS, 512, 128))
    for stage in range(3):
        with h5py.File(tmp_path / f"r{stage}/RAW-R0034-AGIPD04-S00000.h5") as file:
            image = file[f"INSTRUMENT/{AGIPD}/DET/4CH0:xtdf/image"]
            data, cells = image["data"][()], image["cellId"][:, 0]
        for cell in np.unique(cells):
            own = data[cells == cell]
            assert np.allclose(offset[..., cell, stage].T, own[:, 0].mean(0))
            if len(own) > 1:
                assert np.allclose(noise[..., cell, stage].T, own[:, 0].std(0, ddof=1))
            else:
                assert np.isnan(noise[..., cell, stage]).all()
            voltage[stage, cell] = own[:, 1].mean(0)
    for cell in np.unique(cells):
        middle = (voltage[0, cell] + voltage[1, cell]) / 2
        assert np.allclose(levels[..., cell, 0].T, middle)
    run("create", tmp_path / "v.h5", "--raw", tmp_path / "r0", "--constants", made)
    assert [digests(tmp_path / f"r{stage}") for stage in range(3)] == before
    assert "AGIPD needs the gain stage of each dark run: --dark 0=" in run(
        "constants", tmp_path / "x.h5", "--dark", tmp_path / "r0", status=1
    )


def test_jungfrau_of_the_european_xfel(tmp_path, rng):
    pytest.importorskip("extra_data", reason="pip install EXtra-data")
    (tmp_path / "raw").mkdir()
    write_jungfrau(tmp_path / "raw", rng, [3])
    run("constants", tmp_path / "d.h5", "--dark", tmp_path / "raw", "--passes", 1)
    with h5py.File(tmp_path / "raw/RAW-R0012-JNGFR03-S00000.h5") as file:
        group = file["INSTRUMENT/SPB_IRDA_JF4M/DET/JNGFR03:daqOutput/data"]
        adc, gain = (group[name][()].reshape(-1, 512, 1024) for name in ("adc", "gain"))
        cells = group["memoryCell"][()].ravel()
    with h5py.File(tmp_path / "d.h5") as file:
        offset = file["module_03/Offset"][()]
    chosen = (cells == 2)[:, None, None] & (gain == 3)
    with np.errstate(invalid="ignore"):
        expected = np.where(chosen, adc.astype("f8"), 0).sum(0) / chosen.sum(0)
    assert np.allclose(offset[..., 2, 2].T, expected, equal_nan=True)


@pytest.mark.parametrize("passes", [1, 2])
def test_lpd(tmp_path, rng, passes):
    """The stage is in bits 13-12; code 3 is none."""
    pytest.importorskip("extra_data", reason="pip install EXtra-data")
    from extra_data.tests.mockdata.detectors import LPDModule

    device = "FXE_DET_LPD1M-1"
    (tmp_path / "raw").mkdir()
    write_xtdf(tmp_path / "raw", rng, LPDModule, "LPD", device, [0, 7], {0: [40, 0, 30]})
    path = tmp_path / "raw/RAW-R0034-LPD00-S00000.h5"
    with h5py.File(path, "r+") as file:
        image = file[f"INSTRUMENT/{device}/DET/0CH0:xtdf/image"]
        cells = image["cellId"][:, 0]
        codes = rng.choice(np.arange(4), image["data"].shape, p=[0.5, 0.3, 0.15, 0.05])
        values = rng.normal(500 + 300 * codes + 9 * cells.reshape(-1, 1, 1, 1), 5).round()
        values = np.where(rng.random(values.shape) < 0.01, 4000, values).astype("u2")  # far away
        image["data"][...] = values | codes.astype("u2") << 12
    before = digests(tmp_path / "raw")
    made = tmp_path / "dark.h5"
    run("constants", made, "--dark", tmp_path / "raw", "--passes", passes, "--clip", 3)
    with h5py.File(made) as file:
        offset, noise, bad = (
            file[f"module_00/{name}"][()].transpose(2, 3, 1, 0)  # to (cell, stage, y, x)
            for name in ("Offset", "Noise", "BadPixelsDark")
        )
        assert sorted(file) == ["module_00", "module_07"]
    assert offset.shape == (CELLS, 3, 256, 256)
    for cell in np.unique(cells):
        for stage in range(3):
            own, here = values[cells == cell, 0].astype("f8"), codes[cells == cell, 0] == stage
            known = np.where(here, own, np.nan)
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pixels without values
                if passes == 2:
                    distance = np.abs(known - np.nanmedian(known, 0))
                    sigma = np.maximum(1.482602218505602 * np.nanmedian(distance, 0), 1)
                    known[~(distance <= 3 * sigma)] = np.nan
                count = np.isfinite(known).sum(0)
                mean = np.nansum(known, 0) / count
                sigma = np.sqrt(np.nansum((known - mean) ** 2, 0) / (count - 1))
                mean[count == 0] = sigma[count < 2] = np.nan
            assert np.allclose(offset[cell, stage], mean, rtol=1e-12, equal_nan=True)
            assert np.allclose(noise[cell, stage], sigma, rtol=1e-12, equal_nan=True)
            assert np.array_equal(bad[cell, stage] & 8 != 0, count == 0)
            assert np.array_equal(bad[cell, stage] & 4 != 0, count == 1)
    assert digests(tmp_path / "raw") == before
    run("create", tmp_path / "v.h5", "--raw", tmp_path / "raw", "--constants", made)
    with h5py.File(tmp_path / "v.h5") as view:
        found = view[f"INSTRUMENT/{device}/DET/0CH0:xtdf/image/data"][:, 0]
    stage = codes[:, 0]
    at = cells[:, None, None], np.minimum(stage, 2), *np.ogrid[:256, :256]
    usable = (stage < 3) & (bad[at] == 0)
    expected = np.where(usable, values[:, 0].astype("f4") - offset[at].astype("f4"), np.nan)
    assert np.array_equal(found, expected.astype("f4"), equal_nan=True)


def test_lpd_with_a_run_for_each_stage(tmp_path, rng):
    """Then bits 13-12 are not asked."""
    frames = [rng.integers(0, 1 << 14, (12, 3, 4), dtype="u2") for _ in range(3)]
    cells = np.arange(12) % 3
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["cells"] = cells
        for stage in range(3):
            file[f"d{stage}"] = frames[stage]
    darks = [part for s in range(3) for part in ("--dark", f"{s}={tmp_path}/d.h5:/d{s}")]
    more = ("--kind", "lpd", "--cell-ids", f"{tmp_path}/d.h5:/cells", "--passes", 1)
    run("constants", tmp_path / "c.h5", *darks, *more)
    with h5py.File(tmp_path / "c.h5") as file:
        for stage in range(3):
            for cell in range(3):
                own = (frames[stage][cells == cell] & 0xFFF).astype("f8")
                assert np.allclose(file["pedestal"][cell, stage], own.mean(0), rtol=1e-12)
                assert np.allclose(file["noise"][cell, stage], own.std(0, ddof=1), rtol=1e-12)


def test_dssc(tmp_path, rng):
    """A stored 0 stands for 256, also in the dark run."""
    pytest.importorskip("extra_data", reason="pip install EXtra-data")
    from extra_data.tests.mockdata.detectors import DSSCModule

    device = "SCS_DET_DSSC1M-1"
    (tmp_path / "raw").mkdir()
    write_xtdf(tmp_path / "raw", rng, DSSCModule, "DSSC", device, [2], {2: [30, 0, 25]})
    with h5py.File(tmp_path / "raw/RAW-R0034-DSSC02-S00000.h5", "r+") as file:
        image = file[f"INSTRUMENT/{device}/DET/2CH0:xtdf/image"]
        cells = image["cellId"][:, 0]
        counts = rng.integers(250, 257, image["data"].shape)
        image["data"][...] = counts % 256
    before = digests(tmp_path / "raw")
    made = tmp_path / "dark.h5"
    run("constants", made, "--dark", tmp_path / "raw", "--passes", 1)
    with h5py.File(made) as file:
        offset, noise = (file[f"module_02/{name}"][()] for name in ("Offset", "Noise"))
    assert offset.shape == (512, 128, CELLS)
    for cell in np.unique(cells):
        own = counts[cells == cell, 0].astype("f8")
        assert np.allclose(offset[..., cell].T, own.mean(0), rtol=1e-12)
        if len(own) > 1:
            assert np.allclose(noise[..., cell].T, own.std(0, ddof=1), rtol=1e-12)
    assert digests(tmp_path / "raw") == before
    run("create", tmp_path / "v.h5", "--raw", tmp_path / "raw", "--constants", made)
    with h5py.File(tmp_path / "v.h5") as view:
        found = view[f"INSTRUMENT/{device}/DET/2CH0:xtdf/image/data"][:, 0]
    expected = counts[:, 0].astype("f4") - offset[:, :, cells].transpose(2, 1, 0).astype("f4")
    good = np.isfinite(found)
    assert good.mean() > 0.9
    assert np.array_equal(found[good], expected[good])
    plain = ("--dark", f"{tmp_path}/raw/RAW-R0034-DSSC02-S00000.h5:/{image_path(device, 2)}")
    run("constants", tmp_path / "p.h5", *plain, "--kind", "dssc", "--passes", 1)
    with h5py.File(tmp_path / "p.h5") as file:
        assert np.allclose(file["pedestal"][0], counts[:, 0].mean(0), rtol=1e-12)


def image_path(device, module):
    return f"INSTRUMENT/{device}/DET/{module}CH0:xtdf/image/data"


def test_a_picture_without_matplotlib(dark, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    more = ("--picture", tmp_path / "p.png")
    text = run(
        "constants", tmp_path / "o.h5", "--dark", f"{tmp_path}/dark.h5:/raw", *more, status=1
    )
    assert "pictures need matplotlib: pip install 'h5calib[picture]'" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dark", "nope"], "there is no file or folder nope"),
        (["--dark", "nope.h5:/x"], "dark data: there is no file"),
        (["--dark", "{}/dark.h5:/x"], "dark data: no dataset '/x' in"),
        (["--dark", "1={}/dark.h5:/raw"], "pedestal has no gain stages: leave out 1="),
        (["--dark", "{}/dark.h5:/raw", "--dark", "{}/b.h5:/raw"], "dark frames of one size"),
        (["--dark", "{}/dark.h5"], "has none of the layouts"),
        (["--dark", "{}/dark.h5:/raw", "--layout", "swissfel", "--cells", "2"], "has one memory"),
    ],
)
def test_mistakes(dark, tmp_path, arguments, message):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["raw"] = np.zeros((2, 3, 4), "u2")
    given = [a.format(tmp_path) for a in arguments]
    text = run("constants", tmp_path / "out.h5", *given, status=1)
    assert message in text
    assert not list(tmp_path.glob("out*"))


def test_an_existing_file_stays(dark, tmp_path):
    (tmp_path / "out.h5").write_bytes(b"mine")
    arguments = ("constants", tmp_path / "out.h5", "--dark", f"{tmp_path}/dark.h5:/raw")
    assert "exists: give --overwrite" in run(*arguments, status=1)
    run(*arguments, "--layout", "swissfel", "--cells", 2, "--overwrite", status=1)
    assert (tmp_path / "out.h5").read_bytes() == b"mine"
    run(*arguments, "--overwrite")
