"""The check of the wheel finds a plugin that is linked to a libhdf5, and a libhdf5 in the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import wheels

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="manylinux")
pytest.importorskip("auditwheel")

WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-linux_x86_64\n"
METADATA = "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n"


@pytest.fixture
def wheel_of(tmp_path: Path):
    """A wheel of the files given by name."""

    def make(**files: bytes) -> Path:
        path = tmp_path / "thing-1.0-py3-none-linux_x86_64.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(f"thing/{name}.so", content)
            archive.writestr("thing-1.0.dist-info/WHEEL", WHEEL)
            archive.writestr("thing-1.0.dist-info/METADATA", METADATA)
            record = "".join(f"{name},,\n" for name in archive.namelist())
            archive.writestr("thing-1.0.dist-info/RECORD", record)
        return path

    return make


@pytest.fixture
def library(tmp_path: Path):
    """A compiled shared library, linked to others."""

    def compile_(name: str, source: str, *links: Path) -> bytes:
        file = tmp_path / f"{name}.c"
        file.write_text(source)
        output = tmp_path / f"{name}.so"
        command = ["cc", "-shared", "-fPIC", "-Wl,--no-as-needed", "-o", output, file, *links]
        subprocess.run(list(map(str, command)), check=True)
        return output.read_bytes()

    return compile_


def test_wheel_that_needs_libc_only(wheel_of, library):
    assert wheels.check(wheel_of(plugin=library("plugin", "int f(void) { return 1; }"))) == []


def test_plugin_linked_to_a_libhdf5(wheel_of, library, tmp_path):
    library("libhdf5", "int H5open(void) { return 0; }")
    plugin = library(
        "plugin", "int H5open(void); int f(void) { return H5open(); }", tmp_path / "libhdf5.so"
    )
    problems = wheels.check(wheel_of(plugin=plugin))
    assert "it needs a libhdf5" in problems


def test_libhdf5_in_the_wheel(wheel_of, library):
    files = {name: library(name, "int f(void) { return 1; }") for name in ("plugin", "libhdf5")}
    assert "thing/libhdf5.so is in the wheel" in wheels.check(wheel_of(**files))
