"""The detector of docs/detectors/adding.md, built as the page says and used."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "detectors" / "adding.md"
LIBRARY = REPOSITORY / "libh5calib"

if not (PAGE.exists() and LIBRARY.exists()):
    pytest.skip(f"no sources in {REPOSITORY}", allow_module_level=True)
if not (shutil.which("cmake") and shutil.which("cc")):
    pytest.skip("adding a detector needs cmake and cc", allow_module_level=True)

USE = """
import sys
from pathlib import Path
from h5calib.binding import library as _library
_library.find_library = lambda: Path(sys.argv[1])
import h5py, h5calib, numpy as np
from striped import Striped

rng = np.random.default_rng(1)
raw = rng.integers(0, 1 << 16, (3, 5, 301)).astype("u2")
pedestal = rng.normal(500, 9, (5, 301)).astype("f4")
mask = rng.integers(0, 9, (5, 301)) == 0
striped = Striped(pedestal, pixel_mask=mask, even_factor=0.7, odd_factor=1.3, masked_value=-1)
lib = _library.library()
with h5py.File("view.h5", "w") as file:
    file["raw"] = raw
    for dtype in "f4", "f8":
        expected = striped.reference(raw, dtype=dtype)
        assert (expected[:, mask] == -1).all() and (expected[:, ~mask] != -1).all()
        i = 0
        while variant := lib.h5calib_cpu_variant_at(i):
            lib.h5calib_set_cpu_variant(variant)
            assert np.array_equal(h5calib.calibrate(raw, striped, dtype=dtype), expected)
            i += 1
        dataset = h5calib.create_calibrated_dataset(file, dtype, "raw", striped, dtype=dtype)
        assert np.array_equal(dataset[()], expected)
assert h5calib.algorithms()["striped"] is Striped
print("all equal")
"""


def code(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL).group(1)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def run(*command, **options):
    done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_detector_of_the_page(tmp_path):
    kernel, python = code("c"), code("python")
    assert len((kernel + python).splitlines()) + 2 < 150
    source, build = tmp_path / "source", tmp_path / "build"
    shutil.copytree(LIBRARY, source, ignore=shutil.ignore_patterns("build*", "tests"))
    (source / "src/core/kernels/striped.c").write_text(kernel)
    (tmp_path / "striped.py").write_text(python)
    edit(
        source / "src/core/algorithms.c",
        "line(h5calib_agipd) ",
        "line(h5calib_striped) line(h5calib_agipd) ",
    )
    edit(
        source / "CMakeLists.txt",
        "src/core/kernels/pedestal.c",
        "src/core/kernels/pedestal.c src/core/kernels/striped.c",
    )
    options = ["-DCMAKE_BUILD_TYPE=Debug", "-DH5CALIB_TESTS=OFF", "-DH5CALIB_WERROR=ON"]
    run("cmake", "-S", str(source), "-B", str(build), *options)
    run("cmake", "--build", str(build), "--parallel", "2")
    library = next(p for p in build.iterdir() if p.name in ("libh5calib.so", "libh5calib.dylib"))
    environment = {**os.environ, "HDF5_PLUGIN_PATH": str(build), "PYTHONPATH": str(tmp_path)}
    output = run(sys.executable, "-c", USE, str(library), cwd=tmp_path, env=environment)
    assert output == "all equal\n"
