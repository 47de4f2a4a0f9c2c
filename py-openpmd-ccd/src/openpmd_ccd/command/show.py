"""``openpmd-ccd info``: what is in a scan, for people and as JSON."""

import json
from datetime import datetime
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ..reading.scan import Scan, Shot


def date(seconds: float) -> str:
    """A moment in local time, ISO 8601 with milliseconds; the number where it is no date."""
    try:
        moment = datetime.fromtimestamp(seconds).astimezone()
    except (OverflowError, OSError, ValueError):
        return f"{seconds} s"
    return moment.isoformat(sep=" ", timespec="milliseconds")


def show(console: Console, scan: Scan, shots: bool) -> None:
    """Print the scan's attributes, its first and last shot, and with `shots` a table."""
    for key, value in scan.attributes.items():
        if key in ("author", "date", "machine") or key.startswith("ccd"):
            console.print(f"{key}: {value}", markup=False)
    console.print(f"shots: {len(scan)}")
    for what, index in (("first", 0), ("last", -1)) if len(scan) else ():
        shot = scan.shot(scan.numbers[index])
        console.print(f"{what}: {shot!r}, {date(shot.time)}", markup=False)
    if shots:
        console.print(_table(scan.table))


def _table(columns: dict[str, Any]) -> Table:
    table = Table(*columns)
    for row in zip(*columns.values(), strict=True):
        cells = zip(columns, row, strict=True)
        table.add_row(*(date(float(v)) if name == "time" else _plain(str(v)) for name, v in cells))
    return table


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)


def as_json(scan: Scan) -> str:
    """All that `info` knows, as one JSON object; times in seconds since 1970 UTC and as dates."""
    shots = [_shot(scan.shot(number)) for number in scan.numbers]
    found = {"path": str(scan.path), "attributes": scan.attributes, "shots": shots}
    return json.dumps(found, indent=1, default=_built_in, ensure_ascii=False)


def _shot(shot: Shot) -> dict[str, Any]:
    return {
        "number": shot.number, "time": shot.time, "date": date(shot.time),
        "shape": list(shot.shape), "dtype": str(shot.dtype), "axes": list(shot.axes),
        "components": list(shot.components), "unit": shot.unit,
        "settings": shot.settings, "metadata": shot.metadata,
    }  # fmt: skip


def _built_in(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return str(value)
