"""Check that everything that names a version of a package says the same.

    python tools/versions.py            # also asks CMake and the build backends
    python tools/versions.py --quick    # reads files only

A package's version is written in its pyproject.toml.  The recipe, the wheel's metadata, CMake and
the changelog must agree with it.  The ranges in which the packages need each other must hold, and
be the same for pip and for conda.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name
from project import FOLDERS, ROOT, Package, packages, python_min, released

Finding = tuple[str, object, object]  # what, found, wanted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="read files only: no CMake, no build backend"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    parser.add_argument(
        "--tag", help="also check that this tag names a package's version, with a dated changelog"
    )
    options = parser.parse_args()
    every = packages(options.root.resolve())
    wrong = 0
    if options.tag and options.tag.rpartition("-v")[0] not in FOLDERS:
        parser.error(f"{options.tag} is no tag of {', '.join(FOLDERS)}")
    for package in every:
        print(f"{package.name} {package.version}")
        checks = findings(package, every, quick=options.quick)
        for what, found, wanted in [*checks, *tagged(package, options.tag)]:
            right = found == wanted
            wrong += not right
            instead = "" if right else f" instead of {wanted or 'none'}"
            print(f"  {'ok   ' if right else 'WRONG'} {what}: {found or 'none'}{instead}")
    print(f"{wrong} of these disagree" if wrong else "all agree")
    return 1 if wrong else 0


def findings(package: Package, every: list[Package], quick: bool) -> Iterator[Finding]:
    version = package.version
    yield "recipe", package.recipe_version(), version
    headings = [found["version"] for found in package.headings if found["version"] != "Unreleased"]
    yield "newest heading of the changelog", headings[0] if headings else None, version
    if (package.folder / "CMakeLists.txt").exists() and not quick:
        yield "CMake", cmake_version(package.folder), version
    if not quick:
        yield (
            "wheel metadata",
            wheel_version(package),
            f"{canonicalize_name(package.name)} {version}",
        )
    if package.name != "libh5calib":  # whose conda package needs no Python
        yield (
            "oldest Python of the wheel",
            package.project.get("requires-python"),
            f">={python_min(package.root)}",
        )
        yield from recipe_ranges(package)
    for other in [other for other in every if other is not package]:
        wanted = package.dependencies(extras=True).get(other.name)
        if wanted is not None:
            inside = wanted.contains(other.version, prereleases=True)
            allowed = other.version if inside else f"one of {wanted}"
            yield f"needs {other.name}{wanted}, which is", other.version, allowed


def tagged(package: Package, tag: str | None) -> Iterator[Finding]:
    """What a tag of this package must fit."""
    if tag and tag.rpartition("-v")[0] == package.name:
        yield "tag", tag, f"{package.name}-v{package.version}"
        note = package.headings[0]["note"]
        yield "date in the changelog", note, note if released(package.headings[0]) else "a date"


def recipe_ranges(package: Package) -> Iterator[Finding]:
    """The recipe asks for what the wheel asks for; our extras are constraints there."""
    outputs = package.recipe_outputs()
    run = {name: spec for name, spec in outputs[package.name]["run"].items() if name != "python"}
    yield "dependencies in the recipe", shown(run), shown(package.dependencies())
    ours = set(FOLDERS) - {package.name} - set(package.dependencies())
    extras = {
        name: spec for name, spec in package.dependencies(extras=True).items() if name in ours
    }
    yield "extras in the recipe", shown(outputs[package.name]["run_constraints"]), shown(extras)
    for name, output in outputs.items():
        if name != package.name:
            run = {
                dependency: spec
                for dependency, spec in output["run"].items()
                if dependency in FOLDERS
            }
            yield f"dependencies of {name}", shown(run), shown(extras)


def shown(ranges: dict) -> str:
    return ", ".join(f"{name}{spec}" for name, spec in sorted(ranges.items()))


def cmake_version(source: Path) -> str | None:
    """The version CMake takes the project to have."""
    with tempfile.TemporaryDirectory() as build:
        done = subprocess.run(
            ["cmake", "-S", source, "-B", build], capture_output=True, text=True, check=False
        )
        if done.returncode:
            return f"an error: {done.stderr.strip().splitlines()[-1]}"
        cache = Path(build, "CMakeCache.txt").read_text(encoding="utf-8")
    key = "CMAKE_PROJECT_VERSION:STATIC="
    return next(
        (line.removeprefix(key) for line in cache.splitlines() if line.startswith(key)), None
    )


def wheel_version(package: Package) -> str:
    """Name and version in the metadata its build backend writes."""
    from build.util import project_wheel_metadata

    metadata = project_wheel_metadata(package.folder, isolated=True)
    return f"{canonicalize_name(metadata['Name'])} {metadata['Version']}"


if __name__ == "__main__":
    sys.exit(main())
