"""The reading benchmark runs, finds wrong peers, and says what it should; no test of speed."""

import json
import math
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="measures memory and caches as Linux does"
)

EVERYWHERE = {
    "filter_vs_stored", "filter_vs_contiguous", "filter_vs_stored_nocache",
    "filter_vs_stored_bitshuffle", "filter_vs_stored_gzip", "filter_vs_numpy", "direct_vs_stored",
    "direct_vs_memcpy", "direct_vs_memcpy_1", "direct_vs_roofline", "direct_vs_numba",
    "direct_vs_numba_1", "direct_vs_stored_bitshuffle", "peak_extra_bytes",
    "speed_pread1", "speed_pread2", "speed_memcpy1", "speed_memcpy2",
}  # fmt: skip
GROWTH = {"create_growth", "open_growth", "random_growth", "random_distinct_growth"}
HOT = {"filter_vs_stored", "direct_vs_stored"}
WANTED = {
    "agipd": EVERYWHERE | {"first_frame_vs_stored", "direct_vs_stored_short"},
    "jungfrau": EVERYWHERE | {"direct_vs_aare", "direct_vs_aare_1"},
    "ccd": EVERYWHERE,
    "jungfrau-bitshuffle": EVERYWHERE | {"direct_vs_decode", "direct_vs_decode_1"},
    **dict.fromkeys(("agipd-random", "jungfrau-random", "ccd-random", "jungfrau-roi"), HOT),
    "scaling": GROWTH | {"create_us_per_frame", "stub_bytes_per_chunk"},
    "scaling-single": GROWTH | {"stub_bytes_per_chunk", "random_raw_growth"},
}
WHERE_CACHES_CAN_BE_DROPPED = {"cold_vs_stored", "cold_direct_vs_stored"}


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    import bench

    return bench


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """The rows of a run with a few small frames, and the pictures it drew."""
    folder = tmp_path_factory.mktemp("bench")
    names = {"json": "rows.json", "plot": "ratios.png", "plot-scaling": "scaling.png"}
    options = [word for key, name in names.items() for word in (f"--{key}", str(folder / name))]
    command = [sys.executable, HERE / "bench.py", "--tiny", *options]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("ratios.png", "scaling.png"):
        assert (folder / name).stat().st_size > 5_000
    return json.loads((folder / "rows.json").read_text())


def test_every_metric_is_there(figures):
    found = {}
    for row in figures:
        found.setdefault(row["case"], set()).add(row["metric"])
    for case, metrics in WANTED.items():
        assert metrics <= found[case], (case, metrics - found[case])
    cold = [
        bool(found[case] & WHERE_CACHES_CAN_BE_DROPPED) for case in ("agipd", "jungfrau", "ccd")
    ]
    assert len(set(cold)) == 1
    assert ("first_frame_vs_stored_cold" in found["agipd"]) == cold[0]


def test_figures_are_numbers_within_their_range(figures):
    keys = [(row["case"], row["metric"]) for row in figures]
    assert len(keys) == len(set(keys))
    for row in figures:
        assert math.isfinite(row["value"]), row
        assert {"case", "metric", "value", "unit"} <= set(row)
        if row["unit"] in ("ratio", "GB/s", "us", "ms", "time ratio"):
            assert 0 < row["least"] <= row["value"] <= row["most"], row
        if row["unit"] == "part":
            assert 0 <= row["value"] <= 1, row


def test_a_wrong_peer_ends_the_run(bench, tmp_path):
    case = bench.read_cases.make("jungfrau", tmp_path, bench.read_cases.TINY)
    group = bench.three(case, "jungfrau", case.blocks())
    out = bench.output_of(group, case.shape)
    bench.verify(case, group, {"filter", "stored", "direct2"}, out)
    with h5py.File(case.copies, "r+") as f:
        f["stored"][-1, 3, 4] += 1
    with pytest.raises(SystemExit, match="stored gives wrong values"):
        bench.verify(case, group, {"filter", "stored", "direct2"}, out)


@pytest.mark.parametrize("kind", ["agipd", "jungfrau", "ccd", "jungfrau-bitshuffle"])
def test_each_way_is_checked(bench, tmp_path, kind, monkeypatch):
    """With another rule as the truth, every way that calibrates is found wrong."""
    case = bench.read_cases.make(kind, tmp_path, bench.read_cases.TINY)
    right = case.expected
    monkeypatch.setattr(case, "expected", lambda where: right(where) + 0.1)
    for group in (bench.whole(case), bench.part(case)):
        out = bench.output_of(group, case.shape)
        for name in group.ways:
            if not name.startswith(("memcpy", "pread", "decode")):
                with pytest.raises(SystemExit, match=f"{name} gives wrong values"):
                    bench.verify(case, group, {name}, out)


def test_the_document_gets_the_tables(bench, tmp_path, figures):
    import read_report

    document = tmp_path / "speed.md"
    document.write_text(f"before\n{read_report.BEGIN}\noutdated\n{read_report.END}\nafter\n")
    for _ in range(2):
        read_report.write_document(figures, document)
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "outdated" not in text
    assert text.count("| agipd | `filter_vs_stored` |") == 1


def test_which_figures_keep_their_bounds(bench):
    import read_report

    def kept(case, metric, value, **more):
        return read_report.kept({"case": case, "metric": metric, "value": value, **more})

    assert kept("agipd", "filter_vs_stored", 1.01)
    assert not kept("agipd", "filter_vs_stored", 0.99)
    assert kept("agipd", "first_frame_vs_stored", 1.9)
    assert not kept("agipd", "first_frame_vs_stored", 2.1)
    assert not kept("ccd", "peak_extra_bytes", 11, bound=10)
    assert kept("ccd", "filter_vs_numpy", 0.1) is None
