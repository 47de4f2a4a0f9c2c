"""Run the integration tests with a prefix's own Python, knowing nothing of the environment around it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

TESTS = Path(__file__).resolve().parent.parent / "tests"
# Variables with which the surrounding environment could lend a hand.
FOREIGN = ("HDF5_", "H5CALIB_", "PYTHON", "LD_", "DYLD_", "VIRTUAL_ENV", "CONDA", "PIP_", "NOX_")


def run(prefix: Path, packages: list[Path], arguments: list[str]) -> int:
    """Run pytest inside `prefix` and say what was tested; the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        python = prefix / ("python.exe" if os.name == "nt" else "bin/python")
        command = [
            python, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={folder}/junit.xml", f"--rootdir={TESTS}",
            "-ra", *(arguments or [TESTS, f"--ignore={TESTS / 'packaging'}"]),
        ]  # fmt: skip
        done = subprocess.run(list(map(str, command)), cwd=folder, env=environment(prefix), check=False)
        counts = _counts(Path(folder, "junit.xml"))
    check = TESTS / "conda" / "one_libhdf5.py"
    mapped = subprocess.run([str(python), str(check)], cwd=prefix, env=environment(prefix), check=False, text=True, capture_output=True)
    print("\nConda packages")
    for package in packages:
        print(f"  {package.name}")
    print(f"libhdf5 mapped\n  {(mapped.stdout + mapped.stderr).strip()}")
    print(f"integration tests run in the prefix: {counts['run']} ({counts['skipped']} skipped)", flush=True)
    return 1 if done.returncode or mapped.returncode or not counts["run"] else 0


def environment(prefix: Path) -> dict[str, str]:
    """What is left of our environment once nothing in it can help to find libraries, plugins or modules."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    folders = [prefix, prefix / "Library/bin", prefix / "Scripts"] if os.name == "nt" else [prefix / "bin"]
    return {
        **kept,
        "CONDA_PREFIX": str(prefix),
        "PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]]),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _counts(report: Path) -> dict[str, int]:
    suites = ElementTree.parse(report).getroot().iter("testsuite") if report.exists() else []
    totals = {"tests": 0, "skipped": 0}
    for suite in suites:
        totals = {name: totals[name] + int(suite.get(name, 0)) for name in totals}
    return {"run": totals["tests"] - totals["skipped"], "skipped": totals["skipped"]}
