"""Build and install with conda-build and conda, from conda-forge."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

VARIANTS = Path(__file__).resolve().with_name("variants.yaml")
NAMES = {"tables": "pytables"}  # of PyPI -> of conda-forge
CONDA_FORGE = ["--override-channels", "-c", "conda-forge"]


def channel(cache: Path) -> str:
    return "conda-forge"


def build(recipes: list[Path], hdf5: str, output: Path, cache: Path) -> list[Path]:
    """Build each recipe, which runs its tests; the packages."""
    with tempfile.TemporaryDirectory() as folder:
        narrowed = Path(folder, "variants.yaml")
        narrowed.write_text(f"hdf5: ['{hdf5}']\n", encoding="utf-8")
        for recipe in recipes:
            pins = ["-m", VARIANTS, "-m", narrowed]
            _run("conda", "build", *CONDA_FORGE, *pins, "--output-folder", output, recipe.parent)
    return sorted(output.rglob("*.conda"))


def install(specs: list[str], output: Path, prefix: Path, cache: Path) -> None:
    names = [NAMES.get(spec, spec) for spec in specs]
    _run("conda", "create", "-y", "-p", prefix, "-c", output.as_uri(), *CONDA_FORGE, *names)


def _run(*command: object) -> None:
    done = subprocess.run([str(part) for part in command], check=False)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(map(str, command[:3]))} failed with status {done.returncode}"
        )
