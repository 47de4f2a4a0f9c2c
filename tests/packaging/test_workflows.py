"""The workflows fit together: a last job that waits for all, a tag per package, real sessions."""

from __future__ import annotations

import re
from pathlib import Path

import changed
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"


def load(name: str) -> dict:
    # YAML 1.1 takes the key "on" for true
    return yaml.safe_load((WORKFLOWS / name).read_text(encoding="utf-8"))


def test_pass_waits_for_every_other_job():
    jobs = load("ci.yml")["jobs"]
    assert set(jobs["pass"]["needs"]) == set(jobs) - {"pass"}
    assert jobs["pass"]["if"] == "always()"


def test_a_tag_for_each_package():
    assert load("release.yml")[True]["push"]["tags"] == [
        f"{package}-v*" for package in changed.OWNED
    ]


def test_sessions_exist():
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    known = set(re.findall(r"(?m)^def (\w+)\(session", noxfile))
    called = set()
    for file in WORKFLOWS.glob("*.yml"):
        for line in re.findall(r"noxfile\.py -s ([\w ]+)", file.read_text(encoding="utf-8")):
            called |= set(line.split())
    assert called
    assert called <= known


@pytest.mark.parametrize(
    ("files", "affected"),
    [
        ([], set()),
        (["docs/install.md", "README.md"], set()),
        (["py-openpmd-ccd/src/openpmd_ccd/writer.py"], {"openpmd-ccd"}),
        (["recipes/h5calib/recipe.yaml"], {"h5calib", "openpmd-ccd"}),
        (["libh5calib/src/core/dispatch.c"], {"libh5calib", "h5calib", "openpmd-ccd"}),
        (["noxfile.py"], {"libh5calib", "h5calib", "openpmd-ccd"}),
        (["docs/install.md", "tests/conftest.py"], {"libh5calib", "h5calib", "openpmd-ccd"}),
        (None, {"libh5calib", "h5calib", "openpmd-ccd"}),
    ],
)
def test_what_a_change_affects(files, affected):
    assert changed.affected_by(files) == affected


def test_pre_commit_uses_the_linters_of_the_noxfile():
    """One version of each, in both places."""
    pinned = re.compile(r"[\w-]+==[\w.]+")
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    linters = re.search(r"LINTERS = \[(.*?)\]", noxfile).group(1)
    assert set(pinned.findall(hooks)) == set(pinned.findall(linters))
