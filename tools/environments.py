"""Python environments that differ in the HDF5 under h5py, each with the same wheels of ours.

A function here makes the environment in the folder it is given and returns its Python.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "recipes"))

from local_channel import fetch
from local_channel.packages import BUILT, READERS, TEST_TOOLS
from local_channel.store import Store

H5PY = BUILT["h5py"][1]  # one h5py for all HDF5 versions
NETCDF4 = "netCDF4>=1.7.5"  # its wheel brings HDF5 2.2


@dataclass
class Builder:
    """What all environments have in common."""

    cache: Path
    wheels: list[Path]
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.cache)

    def venv(self, folder: Path, *requirements: object) -> Path:
        """A virtual environment with our wheels and `requirements`."""
        run(sys.executable, "-m", "venv", folder)
        python = folder / "bin" / "python"
        pip(python, "install", *requirements, *self.wheels, *TEST_TOOLS, *READERS)
        return python

    def wheel_of_h5py(self, folder: Path, **_: object) -> Path:
        """h5py's wheel, with the libhdf5 in it."""
        return self.venv(folder, H5PY)

    def debian(self, folder: Path) -> Path:
        """h5py compiled against the HDF5 of Debian 12, unpacked beside it."""
        wheel = next(
            self.store.folder("h5py-on-debian", [H5PY, sys.version], self._compile_on_debian).glob(
                "*.whl"
            )
        )
        return self.venv(folder, wheel)

    def _compile_on_debian(self, new: Path) -> None:
        names = ["libhdf5-dev", "libhdf5-103-1", "libhdf5-hl-100", "libsz2", "libaec0"]
        root = self.store.folder(
            "debian-12-hdf5", names, lambda new: fetch.debian_packages(names, "bookworm", new)
        )
        libraries = next(root.glob("usr/lib/*/libhdf5_serial.so")).parent
        build = {
            "HDF5_LIBDIR": libraries / "hdf5/serial",
            "HDF5_INCLUDEDIR": root / "usr/include/hdf5/serial",
            "LD_LIBRARY_PATH": libraries,
            "LDFLAGS": f"-L{libraries} -Wl,--disable-new-dtags,-rpath,{libraries}",
        }
        afresh = ["--no-cache-dir", "--no-deps", "--no-binary", "h5py"]
        pip(sys.executable, "wheel", *afresh, H5PY, "-w", new, **build)

    def channel(self, folder: Path) -> Path:
        """A prefix of the offline conda channel, with our wheels instead of our conda packages."""
        from local_channel import conda
        from local_channel.build import build_channel

        conda.use_cache(self.cache / "rattler")
        # what our wheels need
        ours = ["numpy", "pillow", "tifffile", "imagecodecs", "python-xxhash", "click", "rich"]
        specs = ["python", "h5py", "pip", *ours, *TEST_TOOLS, *READERS]
        conda.create(folder, specs, [build_channel(self.store)], self.cache / "rattler")
        python = folder / "bin" / "python"
        pip(python, "install", "--no-deps", *self.wheels)
        return python

    def netcdf4(self, folder: Path) -> Path:
        """h5py's wheel made to use the newer libhdf5 of netCDF4's wheel, which has the same ABI."""
        python = self.venv(folder, H5PY, NETCDF4)
        packages = next(folder.glob("lib/python*/site-packages"))
        own, other = packages / "h5py.libs", packages / "netcdf4.libs"
        swaps = []
        for stem in ("libhdf5-*", "libhdf5_hl-*"):
            swaps += ["--replace-needed", next(own.glob(stem)).name, next(other.glob(stem)).name]
        for module in (packages / "h5py").glob("*.so"):
            run("patchelf", *swaps, "--set-rpath", "$ORIGIN/../netcdf4.libs", module)
        return python

    def with_h5py(self, version: str) -> Callable[[Path], Path]:
        return lambda folder: self.venv(folder, f"h5py{version}")


def run(*command: object, **extra: object) -> str:
    """Run a command with some more environment variables; its output."""
    environment = {**os.environ, **{name: str(value) for name, value in extra.items()}}
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(map(str, command[:6]))} ... failed\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def pip(python: object, *arguments: object, **extra: object) -> None:
    run(python, "-m", "pip", "--disable-pip-version-check", "-q", *arguments, **extra)
