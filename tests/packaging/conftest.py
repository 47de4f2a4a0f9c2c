"""A copy of what names versions in this checkout, for the tests to break."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "recipes")]  # what is tested here
# Not for the environments of the integration tests: `nox -s packaging` has what the tools need.
collect_ignore_glob = [] if importlib.util.find_spec("yaml") else ["test_*.py"]
NAMING = [
    "*/pyproject.toml",
    "*/CHANGELOG.md",
    "libh5calib/CMakeLists.txt",
    "recipes/*/recipe.yaml",
    "recipes/*.yaml",
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for pattern in NAMING:
        for file in ROOT.glob(pattern):
            copy = tmp_path / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    return tmp_path


@pytest.fixture
def run_tool():
    def run(name: str, *arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, ROOT / "tools" / f"{name}.py", *arguments]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def edit():
    def edit(file: Path, old: str, new: str) -> None:
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{file} holds no {old!r} to edit"
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit
