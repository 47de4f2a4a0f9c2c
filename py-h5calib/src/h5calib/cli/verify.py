"""`h5calib verify`: whether calibrated datasets are still made of what they were made of."""

from __future__ import annotations

import sys

import click
import h5py

from ..contents.layout import filter_words, hard_links, opened_for_reading
from ..contents.sources import split_reference
from ..errors import MissingObjectError
from ..upkeep.verification import SAMPLES, Finding, verify
from .common import console, errors_for_people

_WORDS = {True: "ok", False: "CHANGED", None: "not recorded"}


@click.command("verify")
@click.argument("file", metavar="FILE[:/PATH]")
@click.option("--values", is_flag=True, help="Compare chunks with the NumPy reference as well.")
@click.option("--samples", default=SAMPLES, show_default=True, help="How many chunks.")
def verify_command(file: str, values: bool, samples: int) -> None:
    """Recompute digests of constants and raw data, and tell what changed.

    The exit code is 1 when something did.
    """
    changed = False
    with errors_for_people():
        name, path = split_reference(file) or (file, None)
        with opened_for_reading(name) as opened:
            for dataset in _datasets(opened, path):
                findings = verify(dataset, values, samples)
                changed |= any(finding.ok is False for finding in findings)
                console.print(f"{dataset.name}", style="bold")
                for finding in findings:
                    console.print(f"  {_WORDS[finding.ok]}: {_sentence(finding)}")
    console.print("something changed" if changed else "nothing changed")
    sys.exit(1 if changed else 0)


def _sentence(finding: Finding) -> str:
    return f"{finding.what} {finding.message}"


def _datasets(file: h5py.File, path: str | None) -> list[h5py.Dataset]:
    if path is not None:
        if not isinstance(file.get(path), h5py.Dataset):
            raise MissingObjectError(f"no dataset {path} in {file.filename}")
        return [file[path]]
    paths = sorted(names[0] for names in hard_links(file).values())
    found = [file[name] for name in paths if filter_words(file[name]) is not None]
    if not found:
        raise MissingObjectError(f"{file.filename} has no calibrated datasets")
    return found
