"""Build the three wheels and check that libh5calib's is a manylinux wheel without libhdf5.

    python tools/wheels.py DIR

The wheels go into DIR.  Needs build and auditwheel from PyPI.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from project import packages


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the wheels go")
    built = build(parser.parse_args().folder)
    problems = check(built["libh5calib"]) if sys.platform == "linux" else []
    for problem in problems:
        print(f"error: {problem}")
    return 1 if problems else 0


def build(folder: Path) -> dict[str, Path]:
    """Build a wheel of each package; their files by name."""
    built = {}
    for package in packages():
        print(f"wheel of {package.name}", flush=True)
        command = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, package.folder]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{package.name} does not build\n{done.stdout}{done.stderr}")
        name = package.name.replace("-", "_")
        built[package.name] = max(
            folder.glob(f"{name}-{package.version}-*.whl"), key=lambda file: file.stat().st_mtime
        )
        print(f"  {built[package.name].name}", flush=True)
    return built


def check(wheel: Path) -> list[str]:
    """What keeps the wheel from running on any Linux beside any h5py, if anything."""
    command = [sys.executable, "-m", "auditwheel", "show", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = " ".join(done.stdout.split())
    print(report)
    problems = [] if done.returncode == 0 else [f"auditwheel: {done.stderr.strip()}"]
    if not re.search(r'following platform tag: "manylinux_\d+_\d+_', report):
        problems.append("auditwheel does not call it a manylinux wheel")
    problems += [f"{name} is in the wheel" for name in members(wheel) if "libhdf5" in name]
    if "libhdf5" in report:
        problems.append("it needs a libhdf5")
    return problems


def members(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def read(wheel: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


if __name__ == "__main__":
    sys.exit(main())
