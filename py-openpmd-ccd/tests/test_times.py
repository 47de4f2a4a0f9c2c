"""Moments that a user may give as `time`, in a zone with summer time."""

import os
import time
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from openpmd_ccd import SettingError, checks

pd = pytest.importorskip("pandas")
SUMMER, WINTER = (2026, 7, 1, 12, 0), (2026, 1, 1, 12, 0)
TWICE = (2026, 11, 1, 1, 30)  # the hour that is there twice


@pytest.fixture(autouse=True)
def _in_california(monkeypatch):
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    yield
    monkeypatch.undo()
    os.environ.pop("TZ", None)
    time.tzset()


@pytest.mark.parametrize("fields", [SUMMER, WINTER, TWICE])
@pytest.mark.parametrize("fold", [0, 1])
def test_a_naive_moment_is_local_whatever_its_class(fields, fold):
    wanted = time.mktime((*fields, 0, 0, 0, -1)) if fields != TWICE else None
    plain = checks.timestamp(datetime(*fields, fold=fold))
    assert checks.timestamp(pd.Timestamp(datetime(*fields), unit=None, fold=fold)) == plain
    assert wanted is None or plain == wanted
    if fields == TWICE:
        hours = (datetime(*fields, fold=1).timestamp() - datetime(*fields).timestamp()) / 3600
        assert hours == 1


def test_moments_with_a_zone_and_in_utc():
    moment = 1782907200.0  # 2026-07-01 12:00 UTC
    for value in (
        datetime(2026, 7, 1, 12, tzinfo=timezone.utc),
        datetime(2026, 7, 1, 14, tzinfo=timezone(timedelta(hours=2))),
        pd.Timestamp("2026-07-01 12:00", tz="UTC"),
        pd.Timestamp("2026-07-01 14:00", tz="Europe/Berlin"),
        np.datetime64("2026-07-01T12:00"),
        np.datetime64("2026-07-01T12:00", "ns"),
        np.array("2026-07-01T12:00", "M8[ms]"),
        moment,
        int(moment),
        np.float64(moment),
    ):
        assert checks.timestamp(value) == moment, repr(value)


def test_nanoseconds_of_pandas_count():
    whole = pd.Timestamp("2026-07-01 12:00:00.000001")
    found = checks.timestamp(whole + pd.Timedelta(500, "ns"))
    assert found - checks.timestamp(whole) == pytest.approx(5e-7, abs=3e-7)


@pytest.mark.parametrize(
    "value",
    [
        pd.NaT, np.datetime64("NaT"), np.datetime64("NaT", "ns"), np.timedelta64(3, "s"),
        np.array(["2026-07-01"], "M8[s]"), float("nan"), float("inf"), "2026-07-01", None,
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_moment_is_refused(value):
    with pytest.raises(SettingError, match="time"):
        checks.timestamp(value)


def test_xarray_moments():
    xarray = pytest.importorskip("xarray")
    moments = xarray.DataArray(np.array(["2026-07-01T12:00"], "M8[ns]"))
    assert checks.timestamp(moments[0]) == 1782907200.0
