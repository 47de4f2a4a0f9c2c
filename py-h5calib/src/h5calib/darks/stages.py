"""Which gain stages dark runs have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .frames import HIGH_GAIN
from .statistics import Statistics

_JUNGFRAU = ("G0", "G1", "G2", "HG0", "HG1", "HG2")


def with_stages(
    found: Statistics, wanted: Sequence[int] | None = None
) -> tuple[Statistics, list[str]]:
    """The statistics of the gain stages that are needed, and what there is to say.

    Of six (JUNGFRAU with frames in high gain) HG1 and HG2 are only kept if they were taken: with
    less than half of the pixels in them they are pixels that switched by chance. Stages that are
    left out have no values.

    Parameters
    ----------
    found : Statistics
        Of 1, 3 or 6 stages.
    wanted : numbers of stages, optional
        The others are left out; by default all are needed.

    Raises
    ------
    ValueError
        Less than half of the pixels have values in a stage that is needed.
    """
    stages = found.count.shape[1]
    there = [s for s in range(stages) if (found.count[:, s] > 0).any(0).mean() > 0.5]
    chosen = list(range(stages)) if wanted is None else sorted(set(wanted))
    notes = []
    if wanted is None and stages == 6 and not {HIGH_GAIN + 1, HIGH_GAIN + 2} <= set(there):
        chosen = chosen[: HIGH_GAIN + 1]
        few = int(found.count[:, HIGH_GAIN + 1 :].sum())
        notes.append(
            f"no dark frames in HG1 and HG2: 4 maps, G0, G1, G2 and HG0 ({few} values left out)"
        )
    if absent := [s for s in chosen if s not in there]:
        others = ",".join(str(s) for s in chosen if s in there)
        option = f"leave them out with --stages {others}" if others else "is it a dark run?"
        names = ", ".join(_name(s, stages) for s in absent)
        raise ValueError(
            f"no dark frames in gain stage {names} (values in less than half of the pixels): add "
            f"--dark runs of them, or {option}"
        )
    number = stages if stages < 6 else max(3, max(chosen) + 1 if max(chosen) < 4 else 6)
    return _kept(found, chosen, number), notes


def _name(stage: int, stages: int) -> str:
    return f"{stage} ({_JUNGFRAU[stage]})" if stage < stages == 6 else str(stage)


def _kept(found: Statistics, chosen: Sequence[int], number: int) -> Statistics:
    """The first `number` stages, those that are not chosen without values."""
    out = [s for s in range(number) if s not in chosen]
    maps = {
        name: getattr(found, name)[:, :number].copy()
        for name in ("count", "mean", "noise", "voltage")
        if getattr(found, name) is not None
    }
    for name, values in maps.items():
        values[:, out] = 0 if name == "count" else np.nan
    return replace(found, **maps)
