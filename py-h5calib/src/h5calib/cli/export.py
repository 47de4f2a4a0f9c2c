"""`h5calib export`: a stored copy for those without the plugin."""

from __future__ import annotations

import re
import sys

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ..contents.sources import split_reference
from ..exporting.stored import COMPRESSIONS, export
from .common import errors_for_people, say

_SPAN = re.compile(r"(\d*):(\d*)$")


@click.command("export")
@click.argument("view", metavar="VIEW[:/PATH]")
@click.option("-o", "--output", required=True, help="File to write; it appears when it is whole.")
@click.option("--frames", help="FIRST:END along the first axis.")
@click.option("--roi", help="Y0:Y1,X0:X1 in pixels.")
@click.option("--dtype", default="f4", show_default=True, help="f4, f8, or integers: rounded.")
@click.option("--fill", type=float, help="In place of NaN.")
@click.option("--scale", type=float, default=1.0, help="Multiplies values stored as integers.")
@click.option("--compression", type=click.Choice(COMPRESSIONS), default="none", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace the output.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def export_command(
    view: str,
    output: str,
    frames: str | None,
    roi: str | None,
    dtype: str,
    fill: float | None,
    scale: float,
    compression: str,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write calibrated values into a file that needs no plugin.

    A run that was interrupted goes on where it was when the same command is given again.

    \b
    Example:
      h5calib export view.h5:/calibrated -o stored.h5 --dtype i4 --fill -1 --compression gzip
    """
    columns = (TextColumn("frames"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    hidden = quiet or not sys.stdout.isatty()
    with errors_for_people(), Progress(*columns, TimeRemainingColumn(), disable=hidden) as bar:
        task = bar.add_task("", total=None)
        found = split_reference(view)
        path, name = (found.file, found.path) if found and found.file else (view, None)
        y, _, x = (roi or ":,:").partition(",")
        written = export(
            path,
            output,
            name=name,
            frames=_span(frames, "--frames"),
            roi=(_span(y, "--roi") or slice(None), _span(x, "--roi") or slice(None)),
            dtype=dtype,
            fill=fill,
            scale=scale,
            compression=compression,
            overwrite=overwrite,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if not quiet:
        say(f"{output}:{written} written and compared")


def _span(text: str | None, option: str) -> slice | None:
    if text is None:
        return None
    found = _SPAN.match(text)
    if not found:
        raise click.BadParameter(f"{text!r}: write FIRST:END", param_hint=option)
    return slice(*(int(part) if part else None for part in found.groups()))
