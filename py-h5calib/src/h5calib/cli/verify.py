"""`h5calib verify`: whether calibrated datasets are still made of what they were made of."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

import click
import h5py

from ..contents.layout import filter_words, hard_links, opened_for_reading
from ..contents.sources import split_reference
from ..errors import MissingObjectError
from ..upkeep.verification import SAMPLES, Finding, verify
from .common import errors_for_people, say

_WORDS = {True: "ok", False: "CHANGED", None: "not recorded"}
_ENDS = {0: "nothing changed", 1: "something changed", 2: "not all could be checked"}


@click.command("verify")
@click.argument("places", metavar="VIEW[:/PATH]...", nargs=-1, required=True)
@click.option("--values", is_flag=True, help="Compare chunks with the NumPy reference as well.")
@click.option("--samples", default=SAMPLES, show_default=True, help="How many chunks.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def verify_command(
    places: tuple[str, ...], values: bool, samples: int, as_json: bool, quiet: bool
) -> None:
    """Recompute digests of constants and raw data, read a chunk, and tell what changed.

    Of datasets, files, or all views in a folder. The exit status is 0 where all is as it was
    recorded, 1 where something changed, 2 where something could not be checked.
    """
    found: dict[str, list[Finding]] = {}
    with errors_for_people(status=2):
        for place in places:
            for file, path in _views(place):
                with opened_for_reading(file) as opened:
                    for dataset in _datasets(opened, path, os.path.isdir(place)):
                        found[f"{file}:{dataset.name}"] = verify(dataset, values, samples)
        if not found:
            raise MissingObjectError(f"{', '.join(places)}: there is no view")
    findings = [finding for those in found.values() for finding in those]
    status = _status(findings)
    if as_json:
        say(json.dumps({"status": status, "datasets": _plain(found)}, indent=2))
    elif not quiet:
        for name, those in found.items():
            say(name)
            for finding in those:
                say(f"  {_word(finding)}: {finding.what} {finding.message}")
        say(_ENDS[status])
    sys.exit(status)


def _status(findings: list[Finding]) -> int:
    wrong = [finding for finding in findings if finding.ok is False]
    if any(finding.checked for finding in wrong):
        return 1
    return 2 if wrong else 0


def _word(finding: Finding) -> str:
    return _WORDS[finding.ok] if finding.checked else "NOT CHECKED"


def _plain(found: dict[str, list[Finding]]) -> dict[str, list[dict[str, object]]]:
    return {name: [asdict(finding) for finding in those] for name, those in found.items()}


def _views(place: str) -> list[tuple[str, str | None]]:
    if not os.path.isdir(place):
        reference = split_reference(place)
        return [(str(reference.file), reference.path) if reference else (place, None)]
    files = [os.path.join(at, name) for at, _, names in os.walk(place) for name in sorted(names)]
    return [(file, None) for file in files if h5py.is_hdf5(file)]


def _datasets(file: h5py.File, path: str | None, may_be_none: bool) -> list[h5py.Dataset]:
    if path is not None:
        if not isinstance(file.get(path), h5py.Dataset):
            raise MissingObjectError(f"no dataset {path} in {file.filename}")
        return [file[path]]
    paths = sorted(names[0] for names in hard_links(file).values())
    found = [file[name] for name in paths if filter_words(file[name]) is not None]
    if not found and not may_be_none:
        raise MissingObjectError(f"{file.filename} has no calibrated datasets")
    return found
