"""The pages about detectors: their examples run, and nothing is left out."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import h5calib
from h5calib.binding import algorithms as _algorithms

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAMES = list(h5calib.algorithms())

pytestmark = pytest.mark.skipif(
    not (DOCS / "detectors.md").exists(), reason=f"the pages are not in {DOCS}"
)


@pytest.mark.parametrize("page", ["detectors.md", *(f"detectors/{name}.md" for name in NAMES)])
def test_examples(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = doctest.testfile(str(DOCS / page), module_relative=False)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_every_constant_and_parameter(name):
    page = (DOCS / f"detectors/{name}.md").read_text()
    table = _algorithms.by_name(name)
    for word in [*table.constants, *table.parameters]:
        per_cell_only = word == "bad_cell" and "bad_cell" not in page
        assert f"`{word}`" in page or per_cell_only, word
    assert f"h5calib.{h5calib.algorithms()[name].__name__}" in page
    assert ("xperimental" in page) == bool(table.flags & _algorithms.EXPERIMENTAL)
    assert f"(detectors/{name}.md)" in (DOCS / "detectors.md").read_text()
