"""Make version1.h5 with h5calib 0.1: one dataset of each algorithm of that release.

The file is kept; this script is its record. Raw data and constants lie in the
file, so that the test computes the values itself.
"""

import sys

import h5calib
import h5py
import numpy as np


def main(path):
    rng = np.random.default_rng(1)
    n, y, x, cells = 7, 6, 8, 4
    code = rng.choice([0, 1, 2, 3], size=(n, y, x)).astype("u2")
    with h5py.File(path, "w", libver=("v108", "v110")) as f:
        f["raw"] = rng.integers(0, 4000, (n, y, x), dtype="u2")
        f["jungfrau_raw"] = rng.integers(0, 0x4000, (n, y, x), dtype="u2") | code << 14
        f["agipd_raw"] = rng.integers(0, 8000, (n, 2, y, x), dtype="u2")
        f["cells"] = rng.integers(0, cells, n).astype("u2")
        f["pedestal"] = rng.uniform(0, 100, (y, x)).astype("f4")
        f["mask"] = (rng.random((y, x)) < 0.1).astype("u1")
        f["pedestals"] = rng.uniform(0, 100, (cells, y, x)).astype("f2")
        f["stage_pedestal"] = rng.uniform(0, 4000, (3, y, x)).astype("f4")
        f["stage_gain"] = rng.uniform(-40, 40, (3, y, x))
        f["threshold"] = np.stack([np.full((cells, y, x), v, "f4") for v in (2000, 5000)], 1)
        f["agipd_pedestal"] = rng.uniform(0, 4000, (cells, 3, y, x)).astype("f4")
        f["agipd_gain"] = rng.uniform(1, 40, (cells, 3, y, x)).astype("f4")
        make = h5calib.create_calibrated_dataset
        make(f, "out/pedestal", "raw", h5calib.Pedestal(pedestal="pedestal", pixel_mask="mask"))
        make(
            f,
            "out/cell_pedestal",
            "raw",
            h5calib.CellPedestal(pedestal="pedestals"),
            cell_ids="cells",
            chunks=(2, y, x),
            dtype="f8",
        )
        make(
            f,
            "out/jungfrau",
            "jungfrau_raw",
            h5calib.Jungfrau(
                pedestal="stage_pedestal",
                gain="stage_gain",
                pixel_mask="mask",
                masked_value=-1,
                invalid_gain="g2",
                photon_energy=9.5,
            ),
            frames=[6, 0, 3],
            chunks=(1, 4, 5),
        )
        make(
            f,
            "out/agipd",
            "agipd_raw",
            h5calib.Agipd(threshold="threshold", pedestal="agipd_pedestal", gain="agipd_gain"),
            cell_ids="cells",
        )


if __name__ == "__main__":
    main(sys.argv[1])
