"""Versions that disagree are found, each by its own line."""

from __future__ import annotations

import shutil

import pytest
import versions
from project import FOLDERS, Package


def version_of(checkout, package: str) -> str:
    return Package(package, checkout).version


def wrong(output: str) -> list[str]:
    return [line.strip() for line in output.splitlines() if "WRONG" in line]


def test_checkout_agrees(checkout, run_tool):
    done = run_tool("versions", "--quick", "--root", checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) > 12


@pytest.mark.parametrize("package", FOLDERS)
def test_edited_pyproject(checkout, run_tool, edit, package):
    version = version_of(checkout, package)
    edit(
        checkout / FOLDERS[package] / "pyproject.toml",
        f'version = "{version}"',
        'version = "99.0.0"',
    )
    done = run_tool("versions", "--quick", "--root", checkout)
    assert done.returncode == 1
    assert any("recipe" in line for line in wrong(done.stdout))
    assert any("changelog" in line for line in wrong(done.stdout))


@pytest.mark.parametrize("package", FOLDERS)
def test_edited_recipe(checkout, run_tool, edit, package):
    version = version_of(checkout, package)
    edit(
        checkout / "recipes" / package / "recipe.yaml", f'version: "{version}"', 'version: "99.0.0"'
    )
    done = run_tool("versions", "--quick", "--root", checkout)
    assert done.returncode == 1
    assert wrong(done.stdout) == [f"WRONG recipe: 99.0.0 instead of {version}"]


@pytest.mark.parametrize("package", FOLDERS)
def test_edited_changelog(checkout, run_tool, edit, package):
    version = version_of(checkout, package)
    edit(checkout / FOLDERS[package] / "CHANGELOG.md", f"## {version}", "## 99.0.0")
    done = run_tool("versions", "--quick", "--root", checkout)
    assert done.returncode == 1
    assert wrong(done.stdout) == [
        f"WRONG newest heading of the changelog: 99.0.0 instead of {version}"
    ]


def test_range_that_excludes_the_package(checkout, run_tool, edit):
    edit(checkout / "py-h5calib/pyproject.toml", "libh5calib>=0.1,<0.2", "libh5calib>=7,<8")
    edit(checkout / "recipes/h5calib/recipe.yaml", "libh5calib >=0.1,<0.2", "libh5calib >=7,<8")
    done = run_tool("versions", "--quick", "--root", checkout)
    assert done.returncode == 1
    assert [line for line in wrong(done.stdout) if "needs libh5calib" in line]


@pytest.mark.parametrize(
    ("recipe", "old", "new"),
    [
        ("h5calib", "libh5calib >=0.1,<0.2", "libh5calib >=0.1,<0.3"),
        ("h5calib", "    - rich\n", ""),
        ("openpmd-ccd", "h5py >=3.11", "h5py >=2"),
        ("openpmd-ccd", "h5calib >=0.1,<0.2", "h5calib >=0.1"),
    ],
)
def test_recipe_asks_for_something_else(checkout, run_tool, edit, recipe, old, new):
    edit(checkout / "recipes" / recipe / "recipe.yaml", old, new)
    done = run_tool("versions", "--quick", "--root", checkout)
    assert done.returncode == 1
    assert len(wrong(done.stdout)) == 1


def test_another_oldest_python(checkout, run_tool, edit):
    edit(checkout / "recipes/variants.yaml", '"3.10"', '"3.13"')
    done = run_tool("versions", "--quick", "--root", checkout)
    assert [line for line in wrong(done.stdout) if "oldest Python" in line]


@pytest.mark.parametrize(
    ("tag", "fails"), [("h5calib-v0.1.77", False), ("h5calib-v0.1.78", True), ("v0.1.77", True)]
)
def test_tag(checkout, run_tool, tag, fails):
    (checkout / "py-h5calib/CHANGELOG.md").write_text("# Changes\n\n## Unreleased\n\n- Better.\n")
    assert run_tool("release", "h5calib", "0.1.77", "--root", checkout).returncode == 0
    done = run_tool("versions", "--quick", "--root", checkout, "--tag", tag)
    assert bool(done.returncode) == fails, done.stdout


def test_tag_before_the_release_is_prepared(checkout, run_tool):
    version = version_of(checkout, "h5calib")
    (checkout / "py-h5calib/CHANGELOG.md").write_text(
        f"# Changes\n\n## {version} (not yet released)\n\n- Better.\n"
    )
    done = run_tool("versions", "--quick", "--root", checkout, "--tag", f"h5calib-v{version}")
    assert wrong(done.stdout) == ["WRONG date in the changelog: not yet released instead of a date"]


@pytest.mark.skipif(shutil.which("cmake") is None, reason="asks CMake")
def test_cmake_with_a_version_of_its_own(checkout, monkeypatch):
    lists = checkout / "libh5calib" / "CMakeLists.txt"
    lists.write_text(
        "cmake_minimum_required(VERSION 3.18)\nproject(h5calib VERSION 9.8.7 LANGUAGES NONE)\n"
    )
    package = versions.packages(checkout)[0]
    monkeypatch.setattr(
        versions, "wheel_version", lambda package: f"{package.name} {package.version}"
    )
    found = {
        what: (found, wanted)
        for what, found, wanted in versions.findings(package, [package], quick=False)
    }
    assert found["CMake"] == ("9.8.7", package.version)
