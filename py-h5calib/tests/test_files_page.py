"""Every command and example of docs/files.md, run as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from facilities import write_database, write_swissfel, write_xtdf

from h5calib.cli import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "files.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="not in a checkout")


def blocks(kind):
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def files(tmp_path, monkeypatch, rng):
    """The files that the page names."""
    pytest.importorskip("extra_data", reason="pip install EXtra-data")
    from extra_data.tests.mockdata.detectors import AGIPDModule

    monkeypatch.chdir(tmp_path)
    for name in ("r0030", "r0031", "r0032", "r0034", "calcat"):
        Path(name).mkdir()
        if name != "calcat":
            write_xtdf(Path(name), rng, AGIPDModule, "AGIPD", "SPB_DET_AGIPD1M-1", [0, 1])
    for m in (0, 1):
        write_database(f"calcat/AGIPD{m:02d}.h5", rng, 512, 128, thresholds=True)
    raw = rng.integers(0, 1 << 14, (3, 512, 1024), dtype="u2")
    gain = np.ones((4, 512, 1024)) * np.array([40, -1.5, -0.1, 90]).reshape(4, 1, 1)
    paths = write_swissfel(tmp_path, raw, gain[:3] + 1000, gain)
    for path, names in zip(
        map(Path, paths),
        [["run7.JF07T02V01.h5", "dark.JF07T02V01.h5"], ["pedestal.h5"], ["gains.h5"]],
        strict=True,
    ):
        data = path.read_bytes()
        for name in names:
            Path(name).write_bytes(data)
    with h5py.File("dark.JF07T02V01.h5", "r+") as file:  # a frame in each gain stage
        file["data/JF07T02V01/data"][...] |= np.array([0, 1, 3], "u2").reshape(3, 1, 1) << 14
    with h5py.File("scan.nxs", "w") as file:
        file["entry/data/counts"] = rng.integers(0, 99, (4, 5, 6))
        file["entry/data/counts_scaling_factor"] = 0.5
    with h5py.File("raw.h5", "w") as file:
        file["data/raw"] = rng.integers(0, 99, (8, 5, 6), dtype="u2")
        file["data/cell"] = np.arange(8) % 2
    with h5py.File("dark.h5", "w") as file:
        file["dark"] = rng.random((2, 5, 6))


def test_commands(files):
    pytest.importorskip("matplotlib", reason="pip install matplotlib")
    commands = [line for block in blocks("") for line in block.splitlines() if line]
    assert len(commands) >= 12
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "h5calib"
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, f"{command}: {result.output}"
    with h5py.File("agipd.h5") as file:
        assert np.isfinite(file["SPB_DET_AGIPD1M-1/data"][0, 1]).any()
    with h5py.File("plain.h5") as file:
        assert file["calibrated"].shape == (3, 5, 6)


def test_python(files, capsys):
    for block in blocks("python"):
        exec(compile(block, "files.md", "exec"), {})
    assert "/data/JF07T02V01/data (3, 512, 1024)" in capsys.readouterr().out
