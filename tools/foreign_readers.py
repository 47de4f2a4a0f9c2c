"""Make sure that the foreign HDF5 clients of the integration tests can be run.

    python tools/foreign_readers.py environment.json

h5dump, h5repack, ncdump and Debian's python3-h5py: those that are installed are taken; on Debian
the others are downloaded by apt and unpacked into a cache, without being root and without
installing anything.
Writes the variables that the tests need. Exit code 1, and a sentence, where they cannot be had.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "recipes"))

from local_channel import fetch
from local_channel.store import Store, default_cache

PACKAGES = ["hdf5-tools", "netcdf-bin", "python3-h5py"]
PROGRAMS = {name: name for name in ("h5dump", "h5repack", "ncdump")} | {"debian-python3": "python3"}
SYSTEM_PYTHON = "/usr/bin/python3"
WRAPPER = """\
#!/bin/sh
# {program} of the Debian packages that were unpacked here
here=$(dirname "$(dirname "$(readlink -f "$0")")")
lib=$here/usr/lib/$(ls "$here/usr/lib" | grep linux-gnu)
export LD_LIBRARY_PATH="$lib:$lib/blas:$lib/lapack:$lib/hdf5/serial"
export PYTHONPATH="$here/usr/lib/python3/dist-packages"
unset PYTHONHOME VIRTUAL_ENV
exec "{path}" "$@"
"""


def main() -> int:
    target = Path(sys.argv[1])
    if not installed():
        problem = not_here()
        if problem:
            print(f"{', '.join(PACKAGES)} are not installed, and {problem}", flush=True)
            return 1
        suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
        inputs = [PACKAGES, PROGRAMS, suite, platform.machine(), WRAPPER]
        folder = Store(default_cache()).folder(
            "debian-readers", inputs, lambda new: unpack(suite, new)
        )
        found = {"DEBIAN_PYTHON": str(folder / "bin/debian-python3"), "PATH": str(folder / "bin")}
    else:
        found = {"DEBIAN_PYTHON": SYSTEM_PYTHON}
    target.write_text(json.dumps(found), encoding="utf-8")
    return 0


def installed() -> bool:
    """Whether all of them are on this machine."""
    programs = [name for name, program in PROGRAMS.items() if name == program]
    if not all(map(shutil.which, programs)) or not Path(SYSTEM_PYTHON).exists():
        return False
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    code = "import h5py, sys; sys.exit('dist-packages' not in h5py.__file__)"
    command = [SYSTEM_PYTHON, "-c", code]
    return subprocess.run(command, capture_output=True, env=environment).returncode == 0


def not_here() -> str:
    """Why they cannot be downloaded here, or nothing."""
    missing = [tool for tool in ("apt-get", "dpkg-deb") if not shutil.which(tool)]
    if sys.platform != "linux" or missing:
        return f"there is no {' and no '.join(missing) or 'Debian'} to download them with"
    if platform.freedesktop_os_release().get("ID") != "debian":
        return "this is not Debian: install them (Ubuntu: sudo apt-get install)"
    return "" if Path(SYSTEM_PYTHON).exists() else f"{SYSTEM_PYTHON} is missing"


def unpack(suite: str, folder: Path) -> None:
    """The packages, and programs in `bin` that find their libraries."""
    fetch.debian_programs(PACKAGES, suite, folder)
    (folder / "bin").mkdir(exist_ok=True)
    for name, program in PROGRAMS.items():
        own = f"$here/usr/bin/{program}"
        path = SYSTEM_PYTHON if program == "python3" else own
        wrapper = folder / "bin" / name
        wrapper.write_text(WRAPPER.format(program=program, path=path), encoding="utf-8")
        wrapper.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
