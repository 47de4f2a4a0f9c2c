"""In a conda prefix h5py, the plugin and libh5calib share one libhdf5; the check can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import one_libhdf5
import pytest

PREFIX = Path(sys.prefix).resolve()
CHECK = Path(__file__).with_name("one_libhdf5.py")
pytestmark = pytest.mark.skipif(
    not list((PREFIX / "conda-meta").glob("libh5calib-*.json")), reason="for the conda packages"
)
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="edits ELF files")


def run(*command: object, plugins: Path | None = None) -> subprocess.CompletedProcess:
    """Run a command for which HDF5 looks for plugins in its default folder, or in `plugins`."""
    # readers imported by a test before this may have set the variable
    kept = {name: value for name, value in os.environ.items() if name != "HDF5_PLUGIN_PATH"}
    if plugins:
        kept["HDF5_PLUGIN_PATH"] = str(plugins)
    return subprocess.run(
        list(map(str, command)), env=kept, capture_output=True, text=True, check=False
    )


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A copy of the plugin in a folder of its own, to be spoiled."""
    folder = tmp_path / "plugin"
    shutil.copytree(PREFIX / "lib/hdf5/plugin", folder)
    return next(folder.glob("libh5calib_plugin.*"))


def test_one_libhdf5():
    done = run(sys.executable, CHECK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "libhdf5 mapped: 1" in done.stdout
    assert str(PREFIX / "lib" / "libhdf5") in done.stdout


@only_linux
def test_copy_of_the_plugin_passes(plugin):
    done = run(sys.executable, CHECK, plugins=plugin.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(plugin) in done.stdout


@only_linux
def test_plugin_linked_to_a_second_libhdf5_is_found(plugin, tmp_path):
    second = tmp_path / "libsecond.so"
    shutil.copy((PREFIX / "lib/libhdf5.so").resolve(), second)
    patchelf("--set-soname", second.name, "--set-rpath", PREFIX / "lib", second)
    patchelf("--add-needed", second, plugin)
    done = run(sys.executable, CHECK, plugins=plugin.parent)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 files mapped as libhdf5" in done.stdout
    assert f"{second} is not of this environment" in done.stdout


@only_linux
def test_no_file_of_ours_asks_for_a_libhdf5():
    ours = [
        PREFIX / "lib/libh5calib.so",
        *(PREFIX / "lib/hdf5/plugin").glob("libh5calib_plugin.so"),
    ]
    assert len(ours) == 2
    for file in ours:
        assert "hdf5" not in patchelf("--print-needed", file)


def test_h5dump_of_the_prefix_reads(tmp_path):
    view = tmp_path / "view.h5"
    run(sys.executable, "-c", one_libhdf5.MAKE, view).check_returncode()
    dumped = run(PREFIX / "bin/h5dump", "-d", "/calibrated", "-y", "-w", "0", view)
    assert dumped.returncode == 0, dumped.stderr
    values = dumped.stdout.partition("DATA {")[2].partition("}")[0].replace(",", " ").split()
    assert [float(value) for value in values] == [value - 3.0 for value in range(60)]


def patchelf(*arguments: object) -> str:
    done = run(PREFIX / "bin/patchelf", *arguments)
    done.check_returncode()
    return done.stdout
