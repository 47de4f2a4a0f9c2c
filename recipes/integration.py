"""Run the integration tests with an environment's own Python, with no help from outside it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

TESTS = Path(__file__).resolve().parent.parent / "tests"
# Variables through which the surrounding environment could lend libraries, plugins or modules.
FOREIGN = (
    "HDF5_",
    "PYTHON",
    "PYTEST_",
    "LD_",
    "DYLD_",
    "VIRTUAL_ENV",
    "CONDA",
    "PIP_",
    "NOX_",
)


@dataclass
class Outcome:
    returncode: int
    run: int
    skipped: int


def report(prefix: Path, packages: list[Path], arguments: list[str]) -> int:
    """Run the tests inside the conda `prefix` and say what was tested; the exit code."""
    python = prefix / ("python.exe" if os.name == "nt" else "bin/python")
    outcome = pytest(python, arguments)
    check = [str(python), str(TESTS / "conda" / "one_libhdf5.py")]
    with tempfile.TemporaryDirectory() as folder:  # not here: Python finds our folders as modules
        shown = subprocess.run(
            check, cwd=folder, env=environment(python), check=False, text=True, capture_output=True
        )
    print("\nConda packages")
    for package in packages:
        print(f"  {package.name}")
    print("One process with h5py, the plugin and libh5calib")
    for line in (shown.stdout + shown.stderr).splitlines():
        print(f"  {line}")
    print(
        f"Integration tests run in the prefix: {outcome.run} ({outcome.skipped} skipped)",
        flush=True,
    )
    return 1 if outcome.returncode or shown.returncode or not outcome.run else 0


def pytest(python: Path, arguments: list[str], *options: str) -> Outcome:
    """Run pytest with `python`: all integration tests, or what `arguments` say."""
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder, "junit.xml")
        command = [
            *(python, "-m", "pytest", "-ra", "-p", "no:cacheprovider"),
            *(f"--rootdir={TESTS}", f"--junitxml={junit}", *options),
            *(arguments or [TESTS, f"--ignore={TESTS / 'packaging'}"]),
        ]
        done = subprocess.run(
            list(map(str, command)), cwd=folder, env=environment(python), check=False
        )
        suites = (
            list(ElementTree.parse(junit).getroot().iter("testsuite")) if junit.exists() else []
        )
    total, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "skipped")
    )
    return Outcome(done.returncode, total - skipped, skipped)


def environment(python: Path) -> dict[str, str]:
    """What is left of our variables once none can help to find libraries, plugins or modules."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    folders = [python.parent, python.parent / "Library/bin", python.parent / "Scripts"]
    return {
        **kept,
        "PATH": os.pathsep.join(
            [*map(str, folders if os.name == "nt" else folders[:1]), os.environ["PATH"]]
        ),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
