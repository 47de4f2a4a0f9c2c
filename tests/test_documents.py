"""What the documents say is true: examples run, links lead somewhere, messages are explained."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import h5calib
import h5py
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NOT_FOR_USERS = (
    "a pointer is NULL",
    "out of memory",
    "no function to write with",
    "the dataset has no chunks",
)

pytestmark = pytest.mark.skipif(not DOCUMENTS[0].exists(), reason="not in a checkout")


def examples(document):
    return re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)


README_EXAMPLES = re.findall(
    r"```python\n(.*?)```\n\nIt prints `(.*?)`", DOCUMENTS[0].read_text(encoding="utf-8"), re.DOTALL
)


def test_every_example_of_the_readme_says_what_it_prints():
    assert len(README_EXAMPLES) == len(examples(ROOT / "README.md")) == 2


@pytest.mark.parametrize(("example", "printed"), README_EXAMPLES, ids=["view", "scan"])
def test_the_readme_examples_run(example, printed, tmp_path):
    assert len([line for line in example.splitlines() if line.strip()]) <= 15
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == printed + "\n", done.stderr


@pytest.mark.parametrize("page", ["cluster.md", "in-ten-years.md"])
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    """With a view.h5 of one calibrated dataset in the folder."""
    if page == "cluster.md":
        pytest.importorskip("dask.array")
        pytest.importorskip("xarray")
    monkeypatch.chdir(tmp_path)
    with h5py.File("raw.h5", "w") as f:
        f["raw"] = np.full((6, 4, 5), 7, "u2")
    with h5py.File("view.h5", "w") as f:
        calibration = h5calib.Pedestal(np.ones((4, 5), "f4"))
        h5calib.create_calibrated_dataset(f, "calibrated", "raw.h5:/raw", calibration)
    names = {}
    for block in examples(ROOT / "docs" / page):
        exec(compile(block, page, "exec"), names)
    if page == "cluster.md":
        assert np.array_equal(names["mean"], np.full((4, 5), 6, "f4"))
        assert np.array_equal(names["profile"].values, np.full(6, 6, "f4"))
    else:
        assert np.array_equal(names["values"], np.full((6, 4, 5), 6, "f4"))


def test_the_examples_of_the_guide_run(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    raw = rng.integers(0, 0x4000, (6, 16, 24), dtype="u2")
    with h5py.File("raw.h5", "w") as f:
        f["data/raw"] = raw
    with h5py.File("xtdf.h5", "w") as f:
        f["image/data"] = rng.integers(0, 9000, (6, 2, 16, 24), dtype="u2")
        f["image/cellId"] = np.arange(6, dtype="u2").reshape(6, 1) % 4
    with h5py.File("constants.h5", "w") as f:
        f["Offset"] = rng.normal(5000, 50, (24, 16, 4, 3))
        f["ThresholdsDark"] = rng.normal(7000, 50, (24, 16, 4, 2))
    names = {
        "np": np,
        "raw_array": raw,
        "mask": np.zeros((16, 24), "u4"),
        "ped": np.full((3, 16, 24), 1000, "f4"),
        "gain": np.full((3, 16, 24), 41, "f4"),
    }
    blocks = examples(ROOT / "docs/guide.md")
    assert len(blocks) >= 5
    for block in blocks:
        exec(compile(block, "guide.md", "exec"), names)
    assert names["made_of"]["algorithm"] == "jungfrau"
    assert np.array_equal(names["one"], names["same"], equal_nan=True)
    assert np.array_equal(names["one"], names["images"][0], equal_nan=True)
    with h5py.File("agipd.h5") as f:
        assert f["calibrated"].shape == (6, 16, 24)
        assert np.isfinite(f["calibrated"][...]).all()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_every_document_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    for document in sorted((ROOT / "docs").glob("*.md")):
        assert document.name == "README.md" or f"]({document.name})" in index, document.name


def test_files_named_in_contributing_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name in re.findall(r"`([\w.-]+/[\w./-]+)`", text):
        if "NAME" not in name and name != "py-openpmd-ccd/":
            places = [ROOT, ROOT / "libh5calib", ROOT / "py-h5calib", ROOT / "tests"]
            assert any((place / name).exists() for place in places), name


def plugin_messages():
    """The longest piece without a number or name in it, of every message of the plugin."""
    folder = ROOT / "libh5calib/src"
    for file in sorted(
        [*folder.glob("hdf5/*/*.c"), *folder.glob("plugin/*.c"), folder / "core/descriptor.c"]
    ):
        for call in re.findall(r"h5calib_say\([^;]*?\);", file.read_text(encoding="utf-8")):
            text = "".join(
                ast.literal_eval(piece) for piece in re.findall(r'"(?:[^"\\\n]|\\.)*"', call)
            )
            text = re.sub(
                "^the program's HDF5 library hides its functions,? ", "", text
            )  # three of them
            piece = max(re.split(r"'?%0?\d*(?:ll|z)?[a-z]'?", text), key=len).strip(" ,:;()")
            if len(piece) > 3 and not text.startswith(NOT_FOR_USERS):
                yield pytest.param(
                    piece.split(": ")[0].split(" (")[0], id=f"{file.name}-{piece[:40]}"
                )


@pytest.mark.parametrize("piece", list(plugin_messages()))
def test_the_guide_explains_every_message_of_the_plugin(piece):
    guide = " ".join((ROOT / "docs/guide.md").read_text(encoding="utf-8").split())
    assert piece.strip(" '") in guide, "docs/guide.md, Troubleshooting: say what to do"
