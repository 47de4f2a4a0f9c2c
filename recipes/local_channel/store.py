"""Keep what was made under a digest of what went into it, outside the tree."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "h5calib-conda"


class Store:
    """Folders named after their inputs.  One appears only when it is complete."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.root.mkdir(parents=True, exist_ok=True)

    def folder(self, label: str, inputs: object, fill: Callable[[Path], None]) -> Path:
        """The folder for `label` made from `inputs`; if there is none yet, `fill` writes it."""
        path = self.root / label / digest(inputs)
        if path.exists():
            print(f"  {label:28} kept", flush=True)
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=self.root, prefix="unfinished-") as scratch:
            new = Path(scratch, "new")
            new.mkdir()
            fill(new)
            new.rename(path)
        print(f"  {label:28} {time.monotonic() - started:.1f} s", flush=True)
        return path


def digest(inputs: object) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def content(path: Path) -> list[list[str]]:
    """Name and digest of the file, or of every file in the folder."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return [
        [file.name, hashlib.sha256(file.read_bytes()).hexdigest()]
        for file in files
        if "__pycache__" not in file.parts
    ]
