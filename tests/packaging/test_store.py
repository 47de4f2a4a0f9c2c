"""What the offline channel keeps: nothing unfinished, nothing stale, nothing made twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from local_channel.store import Store, content


def writes(text: str):
    return lambda new: (new / "file").write_text(text)


def test_made_once(tmp_path):
    store = Store(tmp_path)
    first = store.folder("thing", ["input"], writes("one"))
    assert store.folder("thing", ["input"], writes("two")) == first
    assert (first / "file").read_text() == "one"


def test_other_inputs_make_another(tmp_path):
    store = Store(tmp_path)
    first = store.folder("thing", ["input"], writes("one"))
    assert (store.folder("thing", ["other"], writes("two")) / "file").read_text() == "two"
    assert (first / "file").read_text() == "one"


def test_unfinished_is_made_again(tmp_path):
    store = Store(tmp_path)

    def breaks(new):
        writes("half")(new)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.folder("thing", ["input"], breaks)
    assert not list(tmp_path.rglob("file"))
    assert (store.folder("thing", ["input"], writes("whole")) / "file").read_text() == "whole"


def test_content_tells_a_changed_file(tmp_path):
    writes("one")(tmp_path)
    before = content(tmp_path)
    writes("two")(tmp_path)
    assert content(tmp_path) != before


def test_cache_inside_the_checkout_is_refused(run_tool):
    done = run_tool(
        "../recipes/build_and_test", "--cache", Path(__file__).parents[2] / "recipes" / "cache"
    )
    assert done.returncode == 2
    assert "outside the checkout" in done.stderr
