"""The mean and noise of darks against float128 and against astropy's sigma clipping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from h5calib.darks.clipping import clipped_mean

PRECISE = np.longdouble


def exact(values, kept):
    """Mean and standard deviation of what is kept, in float128; integers relative to the first."""
    mean, noise = np.full((2, values.shape[1]), np.nan, PRECISE)
    for i, (own, k) in enumerate(zip(values.T, kept.T, strict=True)):
        if not k.any():
            continue
        known = own[k]
        zero = known[0].item()
        distance = np.array([v.item() - zero for v in known], PRECISE)
        mean[i] = PRECISE(zero) + distance.mean()
        if len(known) > 1:
            noise[i] = distance.std(ddof=1)
    return mean, noise


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("offset", [100, 1e4, 1e9, 3e9, 1e12])
@pytest.mark.parametrize("sigma", [0.3, 3, 200])
def test_no_cancellation(dtype, offset, sigma):
    dtype = np.dtype(dtype)
    top = np.iinfo(dtype).max if dtype.kind in "iu" else 1e13
    if offset + 8 * sigma > top or offset < 8 * sigma or (dtype == "f4" and offset > 1e4):
        offset = top / 2
    values = np.random.default_rng(1).normal(0, sigma, (40, 50))
    if dtype.kind in "iu":
        values = values.round().clip(-(top // 2), top // 2).astype("i8").astype(dtype)
    values = values.astype(dtype) + dtype.type(int(offset))
    for rounds in (0, 1):
        count, mean, noise, kept = clipped_mean(values, None, 5.0, rounds)
        expected, spread = exact(values, kept)
        assert (count == kept.sum(0)).all()
        assert kept.mean() > 0.98
        assert np.allclose(mean.astype(PRECISE), expected, rtol=2e-16, atol=1e-13 * sigma)
        assert np.allclose(noise.astype(PRECISE), spread, rtol=1e-9, atol=0)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 7, 10, 20, 26, 27, 200])
@pytest.mark.parametrize("clip", [2.5, 5])
@pytest.mark.parametrize("rounds", [1, 2, 10])
def test_as_astropy(frames, clip, rounds):
    stats = pytest.importorskip("astropy.stats", reason="pip install astropy")
    rng = np.random.default_rng(frames)
    values = rng.normal(1000, 5, (frames, 300))
    values[rng.random(values.shape) < 0.05] += rng.choice([-900, 50, 6e4])
    for known in (None, rng.random(values.shape) < 0.9):
        hidden = np.ma.array(values, mask=False if known is None else ~known)
        theirs = stats.sigma_clip(
            hidden, sigma=clip, maxiters=rounds, cenfunc="median", stdfunc="mad_std", axis=0
        )
        _, mean, _, kept = clipped_mean(values, known, clip, rounds)
        assert np.array_equal(kept, ~np.ma.getmaskarray(theirs))
        assert np.allclose(mean, theirs.mean(0).filled(np.nan), rtol=1e-13, equal_nan=True)


@pytest.mark.parametrize("frames", range(4, 31))
@pytest.mark.parametrize("value", [0, 65535])
def test_one_wrong_frame_is_left_out(frames, value):
    """Whichever it is; in less than one pixel of a hundred its good neighbours look alike."""
    rng = np.random.default_rng(frames)
    values = rng.normal(1000, 5, (frames, 2000)).round().astype("u2")
    at = frames // 2
    values[at] = value
    _, mean, _, kept = clipped_mean(values)
    assert not kept[at].any()
    assert np.abs(mean - 1000).max() < 6 * 5 / np.sqrt(max(1, frames // 2 - 1))
    assert kept.sum() > 0.9 * (frames - 1) * 2000


@settings(max_examples=300, deadline=None)
@given(
    values=hnp.arrays(
        st.sampled_from([np.dtype(t) for t in ("u2", "i8", "u8")]),
        st.tuples(st.integers(0, 9), st.integers(1, 4)),
    ),
    data=st.data(),
    rounds=st.integers(0, 4),
)
def test_any_integers(values, data, rounds):
    """What is kept lies within the least and greatest, its mean too; nothing unknown is kept."""
    known = data.draw(hnp.arrays(bool, values.shape))
    count, mean, noise, kept = clipped_mean(values, known, 5.0, rounds)
    assert not (kept & ~known).any()
    assert (count == kept.sum(0)).all()
    assert ((count > 0) == known.any(0)).all()
    expected, spread = exact(values, kept)
    assert np.allclose(mean, expected.astype("f8"), rtol=1e-15, atol=1e-300, equal_nan=True)
    known = [v[k].astype(PRECISE) for v, k in zip(values.T, kept.T, strict=True)]
    scale = np.array([np.ptp(v) if len(v) else 0 for v in known])
    with np.errstate(invalid="ignore"):
        close = np.abs(noise - spread) <= 1e-13 * scale + 1e-13
    assert (close | np.isnan(spread)).all()
    assert (np.isnan(noise) == (count < 2)).all()
