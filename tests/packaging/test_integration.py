"""The tests in a prefix get no help from the environment around it, and no tests are no success."""

from __future__ import annotations

import sys
from pathlib import Path

import integration
import pytest


@pytest.mark.parametrize(
    "name", ["HDF5_PLUGIN_PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LD_PRELOAD"]
)
def test_no_help_from_outside(monkeypatch, name):
    monkeypatch.setenv(name, "/somewhere")
    monkeypatch.setenv("LANG", "C.UTF-8")
    environment = integration.environment(Path("/prefix/bin/python"))
    assert name not in environment
    assert environment["LANG"] == "C.UTF-8"
    assert environment["PATH"].startswith("/prefix/bin")


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("def test_it(): pass", (0, 1, 0)),
        ("def test_it(): assert False", (1, 1, 0)),
        ("import pytest\ndef test_it(): pytest.skip('no')\ndef test_other(): pass", (0, 1, 1)),
        ("", (5, 0, 0)),
    ],
)
def test_counts(tmp_path, body, outcome):
    tests = tmp_path / "test_some.py"
    tests.write_text(body)
    done = integration.pytest(Path(sys.executable), [str(tests)])
    assert (done.returncode, done.run, done.skipped) == outcome
