"""The examples in the docstrings of the installed package."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import h5calib

MODULES = [module.name for module in pkgutil.walk_packages(h5calib.__path__, "h5calib.")]
PUBLIC = [name for name in h5calib.__all__ if callable(getattr(h5calib, name))]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some examples write files
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_is_described(name):
    thing = getattr(h5calib, name)
    assert thing.__doc__
    if not isinstance(thing, type):
        assert "Parameters\n" in thing.__doc__ or not thing.__code__.co_argcount
