"""The option --frames: which frames, as a person writes it."""

from __future__ import annotations

import re
from typing import Any

from ..contents.sources import read_values, split_reference

HELP = "0,5,7 or 0:100 or 0:100:2, FILE:/PATH of numbers or booleans, or good (SwissFEL)."
_SLICE = re.compile(r"(\d+):(\d+)(?::(\d+))?$")


def parse_frames(text: str | None) -> Any:
    """Numbers, booleans, or the word itself.

    >>> parse_frames("0,5,7"), parse_frames("2:8:2"), parse_frames("good")
    ([0, 5, 7], [2, 4, 6], 'good')
    """
    if text is None or text == "good":
        return text
    if span := _SLICE.match(text):
        return list(range(int(span[1]), int(span[2]), int(span[3] or 1)))
    if split_reference(text):
        return read_values(text, "frames").reshape(-1)
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--frames {text!r} is not possible: give {HELP}") from None
