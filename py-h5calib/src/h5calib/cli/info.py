"""`h5calib info`: what the calibrated datasets of a file are made of."""

from __future__ import annotations

import json
from typing import Any

import click
import h5py
from rich.table import Table
from rich.text import Text

from .. import describe
from ..contents.layout import filter_words, hard_links, opened_for_reading
from ..contents.sources import split_reference
from ..errors import MissingObjectError
from .common import console, errors_for_people, say


@click.command()
@click.argument("file", metavar="FILE[:/PATH]")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def info(file: str, as_json: bool) -> None:
    """Show what calibrated datasets are made of."""
    with errors_for_people():
        found = _collect(*(split_reference(file) or (file, None)))
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for path, description in found.items():
        console.print(_table(path, description))
    if not found:
        say(f"{file} has no calibrated datasets")


def _collect(name: str, path: str | None) -> dict[str, dict[str, Any]]:
    with opened_for_reading(name) as file:
        if path is not None:
            if not isinstance(file.get(path), h5py.Dataset):
                raise MissingObjectError(f"no dataset {path} in {name}")
            return {path: describe(file[path])}
        found = {}
        for paths in hard_links(file).values():
            if filter_words(file[paths[0]]) is not None:
                found[paths[0]] = describe(file[paths[0]])
        return dict(sorted(found.items()))


def _table(path: str, description: dict[str, Any]) -> Table:
    table = Table(title=Text(path), title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    description = dict(description)
    constants = description.pop("constants")
    for name, value in description.items():
        if value is None or value == {}:
            continue
        text = _place(value) if isinstance(value, dict) and "path" in value else _text(value)
        table.add_row(name.replace("_", " "), Text(text))
    for name, constant in constants.items():
        details = (f"{k} {_text(v)}" for k, v in constant.items() if v and k not in _PLACE)
        table.add_row(Text(name), Text("\n".join([_place(constant), *details])))
    return table


_PLACE = ("file", "path")


def _place(target: dict[str, Any]) -> str:
    return f"{target['file']}:{target['path']}" if target["file"] else target["path"]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} = {v}" for k, v in value.items())
    return " x ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
