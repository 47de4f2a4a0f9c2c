"""`h5calib doctor`: is everything there for reading calibrated datasets?"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import click
import h5py
import numpy as np

from .. import Pedestal, create_calibrated_dataset
from ..binding import library as _library
from ..binding import plugin as _plugin
from ..contents.descriptor import FILTER_ID
from ..version import __version__
from .common import console

_ADVICE = f"""\
What to do: {_library.HOW_TO_INSTALL.partition(";")[0]}.
Programs other than Python find the plugin through the environment variable HDF5_PLUGIN_PATH,
the folder of the plugin above; in a conda environment they need no variable."""


@click.command()
def doctor() -> None:
    """Check the installation; exit status 1 if calibrated datasets cannot be read."""
    healthy = True
    for name, check in _CHECKS.items():
        try:
            text, good = check(), True
        except Exception as error:
            text, good = f"{type(error).__name__}: {error}", False
        healthy &= good
        console.print(name if good else f"{name}: PROBLEM", style="bold" if good else "bold red")
        console.print(indent(text, "    "), markup=False)
    console.print("all is well" if healthy else _ADVICE)
    sys.exit(0 if healthy else 1)


def _versions() -> str:
    return (
        f"h5calib {__version__}, h5py {h5py.__version__} with HDF5 {h5py.version.hdf5_version}, "
        f"NumPy {np.__version__}, Python {platform.python_version()} on {sys.platform}"
    )


def _mapped_hdf5() -> str:
    """The libhdf5 files in this process, where the system tells."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return f"unknown on {sys.platform}"
    paths = {line.split(maxsplit=5)[-1].strip() for line in maps.read_text().splitlines()}
    found = [path for path in sorted(paths) if os.path.basename(path).startswith("libhdf5")]
    return "\n".join(found) or "none with that name"


def _the_library() -> str:
    library = _library.library()
    version, cpu = library.h5calib_version().decode(), library.h5calib_cpu_variant()
    return f"{_library.find_library()}\nversion {version}, CPU variant {(cpu or b'none').decode()}"


def _the_plugin() -> str:
    path = _plugin.plugin_file()
    if path is None:
        raise FileNotFoundError("no folder that HDF5 searches has the plugin")
    return str(path)


def _search_path() -> str:
    if os.environ.get("HDF5_PLUGIN_PRELOAD") == "::":
        raise OSError("HDF5_PLUGIN_PRELOAD=:: forbids all plugins: unset it")
    return "\n".join(os.fsdecode(folder) for folder in _plugin.search_path())


def _filter() -> str:
    _plugin.require()
    return f"{FILTER_ID} is found by the libhdf5 of h5py"


def _report() -> str:
    return json.dumps(_plugin.report(), indent=1)


def _self_test() -> str:
    """Make a small calibrated dataset and read it."""
    raw = np.arange(24, dtype="u2").reshape(2, 3, 4)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "self-test.h5")
        with h5py.File(path, "w") as file:
            file["raw"] = raw
            pedestal = Pedestal(np.full((3, 4), 2.5, "f4"))
            create_calibrated_dataset(file, "calibrated", "raw", pedestal)
        with h5py.File(path, "r") as file:
            values = file["calibrated"][()]
    if not np.array_equal(values, raw - np.float32(2.5)):
        raise ValueError(f"a calibrated dataset was read with wrong values: {values.ravel()}")
    return "a small calibrated dataset was made and read"


_CHECKS: dict[str, Callable[[], str]] = {
    "versions": _versions,
    "libhdf5 in this process": _mapped_hdf5,
    "library": _the_library,
    "plugin": _the_plugin,
    "plugin folders of h5py": _search_path,
    "filter": _filter,
    "self-test": _self_test,
    "plugin's report": _report,
}
