"""Files of facilities as tests need them: EXtra-data's mock runs with pixels, SwissFEL's."""

from __future__ import annotations

import hashlib

import h5py
import numpy as np
from click.testing import CliRunner

import h5calib
from h5calib.cli import main

CELLS = 5
COUNTS = [3, 0, 5, 2]  # frames of each train
MODULES = range(16)
ODD = {3: [3, 0, 0, 2], 7: [0, 0, 0, 0], 9: [3, 4, 5, 2]}  # modules with others
AGIPD, LPD, DSSC = "SPB_DET_AGIPD1M-1", "FXE_DET_LPD1M-1", "SCS_DET_DSSC1M-1"
JF = "SPB_IRDA_JF4M"


def run(*arguments, status=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def same(a, b):
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=True)


def digests(folder):
    """Every file of a folder with its digest and time of change."""
    return {
        path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_xtdf(folder, rng, module_class, name, device, modules, counts=None, sequences=1):
    """A run of AGIPD, LPD or DSSC; `counts` are those of modules that differ from COUNTS."""
    from extra_data.tests.mockdata import write_file

    for m in modules:
        frames = np.array((counts or {}).get(m, COUNTS), "u8")
        for sequence in range(sequences):
            path = folder / f"RAW-R0034-{name}{m:02d}-S{sequence:05d}.h5"
            module = module_class(f"{device}/DET/{m}CH0", frames_per_train=frames)
            first = 10000 + sequence * len(frames)
            write_file(path, [module], len(frames), first, len(frames), format_version="1.0")
            with h5py.File(path, "r+") as file:
                data = file[f"INSTRUMENT/{device}/DET/{m}CH0:xtdf/image/data"]
                data[...] = rng.integers(0, 1 << 14, data.shape)
                cells = data.parent["cellId"]
                cells[...] = (cells[...] * 2 + 1) % CELLS  # not the frame's number


def write_jungfrau(folder, rng, modules, trains=2, codes_in_adc=False):
    """A run of a JUNGFRAU at European XFEL."""
    from extra_data.tests.mockdata import write_file
    from extra_data.tests.mockdata.jungfrau import JUNGFRAUModule

    for m in modules:
        device = f"SPB_IRDA_JF4M/DET/JNGFR{m:02d}"
        path = folder / f"RAW-R0012-JNGFR{m:02d}-S00000.h5"
        write_file(path, [JUNGFRAUModule(device, raw=True)], trains, 10000, 1, format_version="1.0")
        with h5py.File(path, "r+") as file:
            group = file[f"INSTRUMENT/{device}:daqOutput/data"]
            shape = group["adc"].shape
            gain = rng.choice(np.array([0, 1, 3], "u1"), shape)
            adc = rng.integers(0, 1 << 14, shape, dtype="u2")
            group["adc"][...] = adc | (gain.astype("u2") << 14 if codes_in_adc else 0)
            group["gain"][...] = gain
            group["memoryCell"][...] = np.tile(np.arange(16) % CELLS, (shape[0], 1))


def write_database(path, rng, ny, nx, extra=(), thresholds=False, cells=CELLS):
    """Constants as the calibration database exports them, transposed; returns them as csyx."""
    shape = (nx, ny, cells, 3)
    maps = {"Offset": rng.uniform(3000, 6000, shape)}
    maps["BadPixelsDark"] = (rng.random(shape) < 0.05).astype("u4") << 3
    if thresholds:
        maps["ThresholdsDark"] = np.sort(rng.uniform(2000, 12000, (*shape[:3], 2)), -1)
    for name in extra:
        maps[name] = rng.uniform(0.5, 2, shape)
    with h5py.File(path, "w") as file:
        for name, values in maps.items():
            file[f"{name}/0/data"] = values
    return {name: values.transpose(2, 3, 1, 0) for name, values in maps.items()}


def write_swissfel(folder, raw, pedestal, gain, detector="JF07T02V01", **beside):
    """A raw file, pedestal file and gain file of SwissFEL; returns their paths."""
    paths = [folder / name for name in (f"run.{detector}.h5", "pedestal.h5", "gains.h5")]
    frames = len(raw)
    beside = {
        "daq_rec": np.zeros((frames, 1), "i8"),
        "is_good_frame": np.ones((frames, 1), "i4"),
        "pulse_id": np.arange(frames, dtype="u8").reshape(-1, 1) + 1000,
        **beside,
    }
    with h5py.File(paths[0], "w") as file:
        group = file.create_group(f"data/{detector}")
        group.create_dataset("data", data=raw, chunks=(1, *raw.shape[1:]))
        for name, values in beside.items():
            group[name] = values
    with h5py.File(paths[1], "w") as file:
        file["gains"] = pedestal
        file["pixel_mask"] = np.zeros(pedestal.shape[1:], "i8")
    with h5py.File(paths[2], "w") as file:
        file["gains"] = gain
    return [str(path) for path in paths]


def make_folder(tmp_path):
    """A folder for raw files and one for constants."""
    for name in ("all/raw", "all/constants"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path / "all"


def write_agipd(folder, rng):
    """All 16 modules, with differing numbers of frames, and constants: module -> csyx."""
    from extra_data.tests.mockdata.detectors import AGIPDModule

    write_xtdf(folder / "raw", rng, AGIPDModule, "AGIPD", AGIPD, MODULES, ODD)
    return {
        m: write_database(folder / f"constants/AGIPD{m:02d}.h5", rng, 512, 128, thresholds=True)
        for m in MODULES
    }


def agipd_reference(folder, module, constants, sequence=0):
    calibration = h5calib.Agipd(
        constants["Offset"],
        threshold=constants["ThresholdsDark"],
        bad_pixels=constants["BadPixelsDark"],
    )
    path = folder / f"raw/RAW-R0034-AGIPD{module:02d}-S{sequence:05d}.h5"
    with h5py.File(path) as file:
        image = file[f"INSTRUMENT/{AGIPD}/DET/{module}CH0:xtdf/image"]
        return calibration.reference(image["data"][()], image["cellId"][()], "f4")


def check_all_modules(dataset, folder, constants):
    """Every train and pulse that any module has, NaN where a module has none."""
    counts = np.max([ODD.get(m, COUNTS) for m in MODULES], axis=0)
    trains = np.repeat(10000 + np.arange(4), counts)
    assert np.array_equal(dataset.parent["trainId"], trains)
    assert dataset.shape == (len(trains), 16, 512, 128)
    pulses = dataset.parent["pulseId"][()]
    for m in MODULES:
        own = np.array(ODD.get(m, COUNTS))
        there = pulses < own[trains - 10000]
        values = dataset[:, m]
        assert same(values[there], agipd_reference(folder, m, constants[m]))
        assert np.isnan(values[~there]).all()
