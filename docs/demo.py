"""Calibrated datasets from end to end: two detectors, a table and a picture.

    python docs/demo.py [--frames 100] [--trains 18] [--output demo-output]

Makes a run of a JUNGFRAU and one of an AGIPD, a calibrated dataset over each,
reads them with h5py, compares every pixel with NumPy in float64, and draws raw
beside calibrated data. Fails where a pixel differs by more than float32 can explain.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import demo_runs
import h5calib
import h5py
import numpy as np
from demo_picture import draw
from demo_runs import PHOTON_KEV, Run
from rich.console import Console
from rich.table import Table

console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
FLOAT32 = float(np.finfo("f4").eps)


@dataclass
class Result:
    """A run with its calibrated dataset, read back and compared."""

    name: str
    unit: str
    run: Run
    files: set[Path]  # of the calibrated dataset and its constants
    values: np.ndarray
    speed: float  # MB/s of calibrated values
    difference: float  # the largest from NumPy in float64
    relative: float  # the largest as a part of the value itself
    same_nan: bool  # the same pixels are unusable

    @property
    def raw_file(self) -> Path:
        return Path(self.run.raw.rpartition(":")[0])

    @property
    def as_expected(self) -> bool:
        """Below what the four roundings of the float32 rule can make?"""
        return self.same_nan and self.relative <= 2 * FLOAT32

    @property
    def on_disk(self) -> int:
        return sum(file.stat().st_size for file in self.files)

    @property
    def of_constants(self) -> int:
        return sum(values.nbytes for values in self.run.constants.values())


# ---- building ---------------------------------------------------------------------------------


def build_jungfrau(folder: Path, run: Run) -> set[Path]:
    """Constants given as arrays: they are stored beside the calibrated dataset."""
    view = folder / "jungfrau.h5"
    with h5py.File(view, "w", libver=("v110", "v110")) as f:
        h5calib.create_calibrated_dataset(
            f,
            "calibrated",
            raw=run.raw,
            calibration=h5calib.Jungfrau(**run.constants, photon_energy=PHOTON_KEV),
        )
    return {view}


def build_agipd(folder: Path, run: Run) -> set[Path]:
    """Constants that many runs share: in a file of their own, which is linked to."""
    constants, view = folder / "agipd-constants.h5", folder / "agipd.h5"
    with h5py.File(constants, "w") as f:
        for name, values in run.constants.items():
            f[name] = values
    links = {name: f"{constants}:/{name}" for name in run.constants}
    with h5py.File(view, "w", libver=("v110", "v110")) as f:
        h5calib.create_calibrated_dataset(
            f,
            "calibrated",
            raw=run.raw,
            calibration=h5calib.Agipd(**links),
            cell_ids=run.raw.replace("data", "cellId"),
        )
    return {view, constants}


# ---- the same in NumPy ---------------------------------------------------------------------------


def numpy_jungfrau(frame: np.ndarray, cell: int, constants: dict[str, np.ndarray]) -> np.ndarray:
    """((raw & 0x3fff) - pedestal[g]) / gain[g] / photon energy, g from the two highest bits."""
    stage = np.array([0, 1, 0, 2])[frame >> 14][np.newaxis]
    pedestal, gain = (
        np.take_along_axis(constants[name].astype("f8"), stage, 0)[0]
        for name in ("pedestal", "gain")
    )
    photons = ((frame & 0x3FFF) - pedestal) / gain / PHOTON_KEV
    photons[(frame >> 14 == 2) | (constants["pixel_mask"] != 0)] = np.nan
    return photons


def numpy_agipd(frame: np.ndarray, cell: int, constants: dict[str, np.ndarray]) -> np.ndarray:
    """(signal - pedestal[g]) / gain[g], g from the gain voltage and two thresholds."""
    signal, voltage = frame
    stage = (voltage > constants["threshold"][cell]).sum(axis=0)[np.newaxis]
    pedestal, gain = (
        np.take_along_axis(k.astype("f8"), stage, 0)[0]
        for k in (constants["pedestal"][cell], constants["gain"])
    )
    return (signal - pedestal) / gain


def compare(run: Run, values: np.ndarray, formula) -> tuple[float, float, bool]:
    """(largest difference, largest relative one, are the same pixels NaN), over every pixel."""
    file, _, path = run.raw.rpartition(":")
    largest, relative, same_nan = 0.0, 0.0, True
    with h5py.File(file) as f:
        for i, value in enumerate(values):
            cell = 0 if run.cell_ids is None else int(run.cell_ids[i])
            expected = formula(f[path][i], cell, run.constants)
            difference, size = np.abs(value - expected), np.abs(expected)
            same_nan &= np.array_equal(np.isnan(value), np.isnan(expected))
            largest = max(largest, float(np.nanmax(difference)))
            relative = max(relative, float(np.nanmax(difference / np.where(size > 0, size, 1))))
    return largest, relative, same_nan


# ---- reading and showing ----------------------------------------------------------------------


def read(view: Path) -> tuple[np.ndarray, float]:
    """All of the calibrated dataset, by h5py as it is; MB/s of the faster of two times."""
    seconds = []
    for _ in range(2):
        with h5py.File(view, "r") as f:
            dataset = f["calibrated"]
            values = np.zeros(dataset.shape, dataset.dtype)
            start = time.perf_counter()
            dataset.read_direct(values)
            seconds.append(time.perf_counter() - start)
    return values, values.nbytes / min(seconds) / 1e6


def show(name: str, unit: str, run: Run, build, formula, folder: Path) -> Result:
    """Build the calibrated dataset of a run, read it, compare it."""
    files = build(folder, run)
    values, speed = read(folder / f"{name.lower()}.h5")
    return Result(name, unit, run, files, values, speed, *compare(run, values, formula))


def megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes > 1e5 else f"{n_bytes / 1e3:.1f} kB"


def table_of(results: list[Result]) -> Table:
    table = Table("", *(f"{r.name}, {r.unit}" for r in results))
    for column in table.columns[1:]:
        column.justify = "right"

    def row(label: str, cell) -> None:
        table.add_row(label, *(cell(r) for r in results))

    row("frames", lambda r: "{} of {} x {}".format(*r.values.shape))
    row("raw data on disk", lambda r: megabytes(r.raw_file.stat().st_size))
    row("calibrated dataset on disk", lambda r: megabytes(r.on_disk))
    row("  of which constants", lambda r: megabytes(r.of_constants))
    row("  all the rest", lambda r: megabytes(r.on_disk - r.of_constants))
    row("a stored float32 copy would take", lambda r: megabytes(r.values.nbytes))
    row("reading through h5py", lambda r: f"{r.speed:.0f} MB/s")
    row("largest difference from NumPy float64", lambda r: f"{r.difference:.1e} {r.unit}")
    row("  as a part of the value", lambda r: f"{r.relative:.1e}")
    row("  every pixel within float32 rounding", lambda r: "yes" if r.as_expected else "NO")
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=100, help="of the JUNGFRAU [%(default)s]")
    parser.add_argument("--trains", type=int, default=18, help="of the AGIPD [%(default)s]")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="[%(default)s]")
    options = parser.parse_args()
    folder = options.output
    folder.mkdir(parents=True, exist_ok=True)
    console.print(f"h5calib {h5calib.__version__}, h5py with HDF5 {h5py.version.hdf5_version}")
    console.print("making a JUNGFRAU run: a turning crystal")
    run = demo_runs.jungfrau(folder, options.frames)
    crystal = show("JUNGFRAU", "photons", run, build_jungfrau, numpy_jungfrau, folder)
    console.print("making an AGIPD run: trains of pulses on small spheres")
    run = demo_runs.agipd(folder, options.trains)
    spheres = show("AGIPD", "keV", run, build_agipd, numpy_agipd, folder)
    results = [crystal, spheres]
    console.print(table_of(results))
    picture = folder / "raw-and-calibrated.png"
    draw(picture, crystal, spheres)
    console.print(f"picture: {picture}")
    return 0 if all(r.as_expected for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
