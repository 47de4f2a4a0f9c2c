"""A release is prepared for one package and leaves the others alone."""

from __future__ import annotations

import pytest
from project import FOLDERS, Package

CHANGELOG = "# Changes\n\n## {heading}\n\n- Reads faster.\n\n## 0.1.0 (2020-01-01)\n\n- First.\n"
DATE = ("--date", "2026-01-02")


def contents(checkout):
    return {
        file.relative_to(checkout).as_posix(): file.read_text()
        for file in checkout.rglob("*")
        if file.is_file()
    }


@pytest.mark.parametrize("heading", ["1.2.0 (not yet released)", "Unreleased"])
def test_one_package_is_prepared(checkout, run_tool, heading):
    (checkout / "py-h5calib/CHANGELOG.md").write_text(CHANGELOG.format(heading=heading))
    before = contents(checkout)
    done = run_tool("release", "h5calib", "1.2.0", "--root", checkout, *DATE)
    assert done.returncode == 0, done.stdout + done.stderr
    after = contents(checkout)
    assert {name for name in after if after[name] != before[name]} == {
        "py-h5calib/pyproject.toml", "py-h5calib/CHANGELOG.md", "recipes/h5calib/recipe.yaml",
    }  # fmt: skip
    assert 'version = "1.2.0"' in after["py-h5calib/pyproject.toml"]
    assert 'version: "1.2.0"' in after["recipes/h5calib/recipe.yaml"]
    assert "## 1.2.0 (2026-01-02)\n\n- Reads faster." in after["py-h5calib/CHANGELOG.md"]
    assert "tag h5calib-v1.2.0" in done.stdout
    assert "openpmd-ccd asks for h5calib" in done.stdout  # its range ends before 1.2


@pytest.mark.parametrize("package", FOLDERS)
def test_versions_agree_after_a_release_within_the_ranges(checkout, run_tool, package):
    (checkout / FOLDERS[package] / "CHANGELOG.md").write_text(
        CHANGELOG.format(heading="Unreleased")
    )
    minor = Package(package, checkout).version.rpartition(".")[0]
    assert run_tool("release", package, f"{minor}.77", "--root", checkout).returncode == 0
    done = run_tool("versions", "--quick", "--root", checkout)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("heading", "version", "message"),
    [
        ("1.2.0 (2020-02-02)", "1.2.0", "changelog must begin"),
        ("Unreleased", "0.0.1", "is newer"),
        ("Unreleased", "0.1.0", "has been released"),
        ("Unreleased", "1.2-beta", "write it as"),
        ("Unreleased", "next", "no version"),
    ],
)
def test_refused(checkout, run_tool, heading, version, message):
    (checkout / "py-h5calib/CHANGELOG.md").write_text(CHANGELOG.format(heading=heading))
    before = contents(checkout)
    done = run_tool("release", "h5calib", version, "--root", checkout)
    assert done.returncode == 1
    assert message in done.stdout
    assert contents(checkout) == before


def test_empty_section_is_refused(checkout, run_tool):
    (checkout / "py-h5calib/CHANGELOG.md").write_text(
        "# Changes\n\n## Unreleased\n\n## 0.1.0 (2020-01-01)\n\n- First.\n"
    )
    assert "is empty" in run_tool("release", "h5calib", "1.2.0", "--root", checkout).stdout
