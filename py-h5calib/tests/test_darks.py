"""`h5calib constants`: dark runs become constants in the layouts that `create` takes."""

from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from facilities import CELLS, digests, write_jungfrau, write_swissfel, write_xtdf

import h5calib
from h5calib.cli import main
from h5calib.darks import frames as frames_module
from h5calib.darks import statistics

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
    """Mean, noise and count over the first axis, in two passes."""
    values = values.astype("f8")
    inside = np.abs(values - values.mean(0)) <= clip * values.std(0)
    chosen = np.where(inside, values, np.nan)
    return np.nanmean(chosen, 0), np.nanstd(chosen, 0), inside.sum(0)


ARGUMENTS = ("--clip", "4", "--passes", "2")


@pytest.mark.parametrize("small", [False, True])
def test_plain(dark, tmp_path, monkeypatch, small):
    if small:  # some frames and rows at a time: as for data larger than memory
        monkeypatch.setattr(frames_module, "_BLOCK_BYTES", 7 * 16 * 24 * 2)
        monkeypatch.setattr(statistics, "_STRIPE_BYTES", 5 * 2 * 24 * 40)
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
        assert np.allclose(file["noise"][0], frames.std(0))
    assert (tmp_path / "dark.png").read_bytes()[:4] == b"\x89PNG"


def test_jungfrau_of_swissfel(tmp_path, rng):
    raw = rng.integers(0, 1 << 14, (9, 512, 1024), dtype="u2")
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
            assert np.allclose(noise[..., cell, stage].T, own[:, 0].std(0), atol=1e-5)
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
