"""Repack files as conda packages without a build: wheels, and stubs that only set variables."""

from __future__ import annotations

import configparser
import os
import platform
import sys
import sysconfig
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler_build import assemble_package

SUBDIR = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}[platform.machine()]
SITE_PACKAGES = Path("lib", f"python{sysconfig.get_python_version()}", "site-packages")
PYTHON = f"python {sys.version_info.major}.{sys.version_info.minor}.*"
#: packages that conda-forge calls otherwise than PyPI
TO_CONDA = {"xxhash": "python-xxhash"}

# Finds the interpreter beside itself, so nothing is rewritten when the package is installed.
SCRIPT = """#!/bin/sh
'''exec' "$(dirname "$0")/python" "$0" "$@"
' '''
"""
ENTRY_POINT = "import sys\nfrom {module} import {attribute}\nsys.exit({function}())\n"


def repack(wheel: Path, output: Path) -> None:
    """Make the conda package with the content and the dependencies of `wheel`."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                _unpack(archive, member, stage)
        dist_info = next((stage / SITE_PACKAGES).glob("*.dist-info"))
        metadata = Parser().parsestr((dist_info / "METADATA").read_text(encoding="utf-8"))
        _write_scripts(dist_info / "entry_points.txt", stage)
        _assemble(
            _conda_name(metadata["Name"]), metadata["Version"], stage, output,
            [PYTHON, *_dependencies(metadata.get_all("Requires-Dist", []))],
        )  # fmt: skip


def stub(name: str, version: str, lines: list[str], output: Path) -> None:
    """Make a package which runs `lines` of shell when its environment is activated."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "etc/conda/activate.d", f"{name}.sh")
        script.parent.mkdir(parents=True)
        script.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        _assemble(name, version, Path(folder), output, [])


def _assemble(name: str, version: str, stage: Path, output: Path, depends: list[str]) -> None:
    assemble_package(
        name=name,
        version=version,
        target_platform=SUBDIR,
        build_string="0",
        output_dir=output / SUBDIR,
        files_dir=stage,
        depends=depends,
        compression_level=1,
        detect_prefix=False,
    )


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, stage: Path) -> None:
    """Write one file of a wheel to where an installer puts it."""
    if member.is_dir():
        return
    parts = Path(member.filename).parts
    content = archive.read(member)
    executable = bool(member.external_attr >> 16 & 0o111)
    target = SITE_PACKAGES / member.filename
    if parts[0].endswith(".data"):
        base = {"scripts": Path("bin"), "data": Path(), "headers": Path("include")}.get(
            parts[1], SITE_PACKAGES
        )
        target = base.joinpath(*parts[2:])
        if parts[1] == "scripts":
            executable = True
            if content.startswith(b"#!python"):
                content = SCRIPT.encode() + content.partition(b"\n")[2]
    path = stage / target
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.chmod(path, 0o755 if executable else 0o644)


def _write_scripts(entry_points: Path, stage: Path) -> None:
    if not entry_points.exists():
        return
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(entry_points, encoding="utf-8")
    scripts = parser["console_scripts"].items() if "console_scripts" in parser else []
    for name, target in scripts:
        module, _, function = target.partition("[")[0].strip().partition(":")
        path = stage / "bin" / name
        path.parent.mkdir(exist_ok=True)
        attribute = function.partition(".")[0]
        path.write_text(
            SCRIPT + ENTRY_POINT.format(module=module, attribute=attribute, function=function)
        )
        path.chmod(0o755)


def _conda_name(name: str) -> str:
    """Name at conda-forge of a package of PyPI."""
    return TO_CONDA.get(canonicalize_name(name), canonicalize_name(name))


def _dependencies(requirements: list[str]) -> list[str]:
    """What the wheel's metadata asks for here, without extras, in conda's words."""
    parsed = [Requirement(text) for text in requirements]
    return [
        f"{_conda_name(item.name)} {item.specifier}".strip()
        for item in parsed
        if item.marker is None or item.marker.evaluate({"extra": ""})
    ]
