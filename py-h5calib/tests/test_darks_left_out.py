"""Dark frames and values that are none: lost packets, junk, marks, high gain, never written."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from facilities import run

import h5calib
from h5calib.darks import Dark, Statistics, statistics_of, with_stages

LEVELS = {0: 3000, 1: 14000, 3: 14500}  # by gain code
SHAPE = (6, 9)


def frames_of(rng, codes, levels=LEVELS):
    """A frame for each code of the gain bits, and its ADC values."""
    adc = np.stack([rng.normal(levels[c], 3, SHAPE).round() for c in codes]).astype("u2")
    return adc | (np.array(codes, "u2") << 14)[:, None, None], adc


def write(path, raw, **beside):
    with h5py.File(path, "w") as file:
        group = file.create_group("data/JF01T03V01")
        group["data"] = raw
        for name, values in beside.items():
            group[name] = np.asarray(values).reshape(-1, 1)
    return path


def mean_of(adc, codes, code, count=None):
    """The mean of the frames of one code, those that count."""
    chosen = np.array(codes) == code
    values = adc[chosen].astype("f8")
    known = np.ones(values.shape, bool) if count is None else count[chosen]
    return np.where(known, values, 0).sum(0) / known.sum(0)


def made(path, *arguments, status=0):
    out = path.with_name("made.h5")
    text = run("constants", out, "--passes", 1, "--overwrite", *arguments, status=status)
    if status:
        return text
    with h5py.File(out) as file:
        left_out = json.loads(file.attrs["h5calib_dark"])["left_out"]["None"]
        return text, {name: file[name][()] for name in file}, left_out


@pytest.mark.parametrize("value", [0xFFFF, 0x4000, 0xC000])
@pytest.mark.parametrize("share", [0.1, 0.6])
def test_lost_packets(tmp_path, rng, value, share):
    codes = [0] * 30 + [1] * 30 + [3] * 30
    raw, adc = frames_of(rng, codes)
    lost = np.repeat(rng.random((90, 6, 1)) < share, 9, 2)
    raw[lost] = value
    path = write(tmp_path / "d.JF01T03V01.h5", raw)
    text, found, left_out = made(path, "--dark", path)
    assert left_out == {"missing values": int(lost.sum())}
    assert f"left out: {lost.sum()} missing values" in text
    assert "missing values: raw 0xffff, 0x4000, 0xc000" in text
    for stage, code in enumerate((0, 1, 3)):
        expected = mean_of(adc, codes, code, ~lost)
        assert np.allclose(found["gains"][stage], expected, rtol=1e-6)
    assert (found["pixel_mask"] == 0).mean() > 0.9


@pytest.mark.parametrize("junk", [4, 40])
@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("value", [0xFFFF, 0x3FFF, 0])
def test_junk_frames(tmp_path, rng, junk, marked, value):
    """Frames at the end that are none. Where nothing marks them, their value or the clip tells."""
    codes = [0] * 60 + [1] * 60 + [3] * 60
    raw, adc = frames_of(rng, codes)
    raw = np.concatenate([raw, np.full((junk, *SHAPE), value, "u2")])
    beside = {"is_good_frame": np.arange(len(raw)) < 180} if marked else {}
    path = write(tmp_path / "d.JF01T03V01.h5", raw, **beside)
    text, found, left_out = made(path, "--dark", path, "--passes", 2)
    for stage, code in enumerate((0, 1, 3)):
        assert np.allclose(found["gains"][stage], mean_of(adc, codes, code), atol=1)
    if marked:
        assert left_out["frames marked as not good"] == junk
        assert f"left out: {junk} frames marked as not good" in text
    elif value == 0xFFFF:
        assert left_out["missing values"] == junk * 54


def test_plain_data_has_missing_values_only_if_told(tmp_path, rng):
    values = rng.integers(900, 1100, (20, 3, 4)).astype("u2")
    values[5] = 65535
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["raw"] = values
    dark = ("--dark", f"{tmp_path}/d.h5:/raw")
    _, found, left_out = made(tmp_path / "d.h5", *dark)
    assert left_out == {}
    assert np.allclose(found["pedestal"][0], values.mean(0))
    _, found, left_out = made(tmp_path / "d.h5", *dark, "--missing-value", 65535)
    assert left_out == {"missing values": 12}
    assert np.allclose(found["pedestal"][0], np.delete(values, 5, 0).mean(0))
    _, found, left_out = made(
        tmp_path / "d.h5", *dark, "--missing-value", 65535, "--missing-value", int(values[7, 1, 1])
    )
    assert left_out["missing values"] == 12 + (np.delete(values, 5, 0) == values[7, 1, 1]).sum()


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("more", [[], [1, 3]])
def test_high_gain(tmp_path, rng, together, more):
    """HG0 has its own pedestal; HG1 and HG2, where they were taken, are not mixed with G1, G2."""
    low, high = [0] * 9 + [1] * 9 + [3] * 9, [0] * 9 + [c for c in more for _ in range(9)]
    raw, adc = frames_of(rng, low)
    raw_hg, adc_hg = frames_of(rng, high, {0: 5000, 1: 12000, 3: 13000})
    if not more:
        raw_hg[0, 1, 2] = 1 << 14 | 700  # one pixel switched by chance
    bits = [np.full(len(low), 0x0F00), np.full(len(high), 0x0F01)]
    paths = [tmp_path / f"{n}.JF01T03V01.h5" for n in ("a", "b")]
    if together:
        write(paths[0], np.concatenate([raw, raw_hg]), daq_rec=np.concatenate(bits))
        paths.pop()
    else:
        write(paths[0], raw, daq_rec=bits[0])
        write(paths[1], raw_hg, daq_rec=bits[1])
    text, found, _ = made(paths[0], *(a for path in paths for a in ("--dark", path)))
    assert "pedestals of HG0 apart" in text
    assert found["gains"].shape == (6 if more else 4, *SHAPE)
    for stage, code in enumerate((0, 1, 3)):
        assert np.allclose(found["gains"][stage], mean_of(adc, low, code), rtol=1e-6)
    for stage, code in enumerate((0, *more), 3):
        known = raw_hg >> 14 == code
        expected = mean_of(adc_hg, high, code, known if code == 0 else None)
        assert np.allclose(found["gains"][stage], expected, rtol=1e-6)
    if not more:
        assert "4 maps, G0, G1, G2 and HG0 (1 values left out)" in text
        assert not np.isclose(found["gains"][1, 1, 2], 700, atol=5000)


@pytest.mark.parametrize(
    ("codes", "option", "names"),
    [
        ([0], "0", "1, 2"),
        ([0, 1], "0,1", "2"),
        ([3], "2", "0, 1"),
        ([1, 3], "1,2", "0"),
    ],
)
def test_a_stage_without_frames(tmp_path, rng, codes, option, names):
    """The error names the option; with it the other stages are good and no pixel is bad for it."""
    taken = [c for c in codes for _ in range(20)]
    raw, adc = frames_of(rng, taken)
    if 1 not in codes:
        raw[0, 0, 0] = 1 << 14 | 9  # some pixels switch by chance: no dark data of that stage
    path = write(tmp_path / "d.JF01T03V01.h5", raw)
    text = made(path, "--dark", path, status=1)
    assert f"no dark frames in gain stage {names} (values in less than half" in text
    assert f"leave them out with --stages {option}" in text
    text, found, _ = made(path, "--dark", path, "--stages", option)
    for stage, code in enumerate((0, 1, 3)):
        if code in codes:
            known = raw >> 14 == code
            expected = mean_of(adc, taken, code, known)
            assert np.allclose(found["gains"][stage], expected, rtol=1e-6)
        else:
            assert np.isnan(found["gains"][stage]).all()
            assert "left out" in text
    assert (found["pixel_mask"] != 0).mean() < 0.1


def test_only_high_gain(tmp_path, rng):
    raw, adc = frames_of(rng, [0] * 8)
    path = write(tmp_path / "d.JF01T03V01.h5", raw, daq_rec=np.ones(8, "i8"))
    text = made(path, "--dark", path, status=1)
    assert "stage 0 (G0), 1 (G1), 2 (G2) (values in less" in text
    assert "--stages 3" in text
    _, found, _ = made(path, "--dark", path, "--stages", 3)
    assert np.allclose(found["gains"][3], adc.mean(0), rtol=1e-6)
    assert np.isnan(found["gains"][:3]).all()


def test_agipd_with_runs_of_some_stages(tmp_path, rng):
    values = rng.integers(3000, 4000, (10, 2, 3, 4)).astype("u2")
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["raw"] = values
    dark = ("--dark", f"1={tmp_path}/d.h5:/raw", "--kind", "agipd")
    assert "leave them out with --stages 1" in made(tmp_path / "d.h5", *dark, status=1)
    _, found, _ = made(tmp_path / "d.h5", *dark, "--stages", 1)
    assert np.allclose(found["pedestal"][0, 1], values[:, 0].mean(0))
    assert np.isnan(found["pedestal"][0, [0, 2]]).all()
    assert (found["bad_pixels"][0, [0, 2]] == 8).all()
    assert np.isnan(found["threshold"]).all()


@pytest.mark.parametrize("kind", ["chunks", "half a frame", "contiguous", "virtual"])
@pytest.mark.parametrize("fill", [0, 77])
def test_frames_never_written(tmp_path, rng, kind, fill):
    values = rng.integers(900, 1100, (12, 4, 6)).astype("u2")
    written = np.arange(12) % 5 != 2
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["source"] = values
        if kind == "contiguous":
            file["more"] = values[written]
            file.create_dataset("raw", (12, 4, 6), "u2", fillvalue=fill)
        elif kind == "virtual":
            layout = h5py.VirtualLayout((12, 4, 6), "u2")
            source = h5py.VirtualSource(file["source"])
            for i in np.flatnonzero(written):
                layout[i] = source[i]
            layout[2, :2] = source[2, :2]  # in part: not counted
            file.create_virtual_dataset("raw", layout, fillvalue=fill)
        else:
            chunks = (1, 2, 6) if kind == "half a frame" else (1, 4, 6)
            data = file.create_dataset("raw", (12, 4, 6), "u2", chunks=chunks, fillvalue=fill)
            for i in np.flatnonzero(written):
                data[i] = values[i]
            if kind == "half a frame":
                data[7, 2:] = values[7, 2:]
    raw = [
        f"{tmp_path}/d.h5:/{name}"
        for name in ("raw", "more")
        if kind == "contiguous" or name == "raw"
    ]
    found = statistics_of([Dark(path, stage=0) for path in raw], stages=1, passes=1)
    nothing = 12 if kind == "contiguous" else int((~written).sum())
    assert found.left_out == {"frames never written": nothing}
    assert (found.count == written.sum()).all()
    assert np.allclose(found.mean[0, 0], values[written].mean(0))


def test_a_source_that_is_not_there(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        layout = h5py.VirtualLayout((3, 4, 6), "u2")
        layout[:] = h5py.VirtualSource("gone.h5", "x", (3, 4, 6))
        file.create_virtual_dataset("raw", layout)
    with pytest.raises(h5calib.MissingObjectError, match=r"shows data of gone\.h5"):
        statistics_of([Dark(f"{tmp_path}/d.h5:/raw", stage=0)])


def test_marks_of_another_length(tmp_path, rng):
    raw, _ = frames_of(rng, [0, 1, 3])
    path = write(tmp_path / "d.JF01T03V01.h5", raw, is_good_frame=np.ones(5, "u1"))
    assert "has 5 marks of good frames for 3 dark frames" in made(path, "--dark", path, status=1)


def test_six_stages_without_some():
    shape = (1, 6, 2, 2)
    count = np.array([5, 5, 5, 5, 0, 0], "u4")[None, :, None, None] * np.ones(shape, "u4")
    found = Statistics(count, np.ones(shape), np.ones(shape), None)
    kept, notes = with_stages(found)
    assert kept.mean.shape[1] == 4
    assert "no dark frames in HG1 and HG2" in notes[0]
    kept, _ = with_stages(found, [0, 1, 2])
    assert kept.mean.shape[1] == 3
    with pytest.raises(ValueError, match=r"gain stage 4 \(HG1\)"):
        with_stages(found, [4])
    with pytest.raises(ValueError, match="no dark frames in gain stage 9"):
        with_stages(found, [9])
