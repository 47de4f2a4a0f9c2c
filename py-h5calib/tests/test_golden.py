"""Files of released formats are read for ever. The expected values are worked out here."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import h5py
import numpy as np
import pytest

import h5calib

GOLDEN = Path(__file__).parent / "golden"
spec = importlib.util.spec_from_file_location("make_v1", GOLDEN / "make_v1.py")
make_v1 = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_v1)


@pytest.fixture(params=["kept", "made now"])
def golden(request, tmp_path):
    if request.param == "kept":
        return GOLDEN
    make_v1.main(tmp_path)
    return tmp_path


def expected_jungfrau():
    stage, invalid = {0: 0, 1: 1, 3: 2}, 2
    out = np.empty((4, 3, 4))
    for i, frame in enumerate(make_v1.FRAMES):
        cell = make_v1.CELLS[frame]
        for y, x in np.ndindex(3, 4):
            raw = int(make_v1.RAW_JF[frame, y, x])
            code, adc = raw >> 14, raw & 0x3FFF
            g = stage.get(code, 0)
            out[i, y, x] = (adc - make_v1.DARK_JF[cell, g]) / make_v1.GAIN_JF[g] / 2.0
            if code == invalid:
                out[i, y, x] = 0
            if make_v1.MASK_JF[y, x] & 1:
                out[i, y, x] = -1
    return out


def test_pedestal(golden):
    with h5py.File(golden / "v1.h5") as file:
        assert np.array_equal(file["pedestal"][()], make_v1.RAW - make_v1.DARK)
        assert file["pedestal"][4, 2, 3] == make_v1.RAW[4, 2, 3] - 4.5


def test_jungfrau(golden):
    with h5py.File(golden / "v1.h5") as file:
        assert np.array_equal(file["jungfrau"][()], expected_jungfrau())


def test_describe(golden):
    with h5py.File(golden / "v1.h5") as file:
        found = h5calib.describe(file["jungfrau"])
    assert found["raw"] == {"file": "v1-raw.h5", "path": "/entry/raw"}
    assert found["parameters"] == {
        "masked_value": -1.0,
        "mask_bits": 1.0,
        "photon_energy": 2.0,
        "invalid_gain": "zero",
    }
    assert found["constants"]["gain"]["axes"] == "s"
    assert found["file_uuid"] == make_v1.FILE.hex()
    assert found["dataset_uuid"] == make_v1.JUNGFRAU.hex()


def test_the_kept_files_are_those_of_the_script(tmp_path, contents):
    make_v1.main(tmp_path)
    for name in ("v1.h5", "v1-raw.h5"):
        with h5py.File(tmp_path / name) as made, h5py.File(GOLDEN / name) as kept:
            assert contents(made) == contents(kept)


def test_the_builder_writes_the_same(tmp_path, contents, monkeypatch):
    """The same file through the public functions; but for the attributes for people."""
    import uuid

    from h5calib.creating import write as _write

    identities = iter([make_v1.PEDESTAL, make_v1.FILE, make_v1.JUNGFRAU])
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(bytes=next(identities)))
    monkeypatch.setattr(_write, "_write_attributes", lambda *_: None)
    make_v1.main(tmp_path)
    with h5py.File(tmp_path / "built.h5", "w") as built, h5py.File(tmp_path / "v1.h5") as golden:
        built["raw"], built["dark"] = make_v1.RAW, make_v1.DARK_JF
        h5calib.create_calibrated_dataset(
            *(built, "pedestal", "raw", h5calib.Pedestal(make_v1.DARK, unwritten="fill")),
            chunks=(2, 2, 4),
        )
        calibration = h5calib.Jungfrau(
            h5calib.Constant("dark", "cs"),
            h5calib.Constant(make_v1.GAIN_JF, "s"),
            pixel_mask=make_v1.MASK_JF,
            photon_energy=2.0,
            invalid_gain="zero",
            masked_value=-1,
            mask_bits=1,
            unwritten="fill",
        )
        h5calib.create_calibrated_dataset(
            *(built, "jungfrau", f"{tmp_path}/v1-raw.h5:/entry/raw", calibration),
            cell_ids=make_v1.CELLS,
            frames=make_v1.FRAMES,
            chunks=(1, 3, 4),
            dtype="<f8",
        )
        home = next(h for h in built["h5calib"].values() if h["dataset"] == built["jungfrau"])
        del home.attrs["fingerprint_raw"]  # came later
        assert contents(built) == contents(golden)
