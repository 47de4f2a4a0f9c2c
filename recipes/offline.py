"""Build and install with py-rattler-build and py-rattler from the channel made here."""

from __future__ import annotations

import functools
import sys
import tempfile
import time
from pathlib import Path

from local_channel import conda
from local_channel.build import build_channel
from local_channel.store import Store

VARIANTS = Path(__file__).resolve().with_name("variants.yaml")


@functools.cache
def channel(cache: Path) -> Path:
    conda.use_cache(cache / "rattler")
    print("Offline channel", flush=True)
    return build_channel(Store(cache))


def build(recipes: list[Path], hdf5: str, output: Path, cache: Path) -> list[Path]:
    """Build each recipe and run its tests; the packages."""
    local = channel(cache)
    variants = _variants(hdf5)
    packages = []
    print("\nPackages", flush=True)
    for recipe in recipes:
        for package in conda.build(recipe, [local], output, variants):
            started = time.monotonic()
            tests = conda.test(package, [output, local])
            seconds = time.monotonic() - started
            print(f"  {package.name}: {tests} recipe tests, {seconds:.1f} s", flush=True)
            packages.append(package)
    return packages


def install(specs: list[str], output: Path, prefix: Path, cache: Path) -> None:
    conda.create(prefix, specs, [output, channel(cache)], cache / "rattler")


def _variants(hdf5: str) -> conda.VariantConfig:
    """The shared pins, narrowed to the HDF5 asked for and the local channel's only Python."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    with tempfile.TemporaryDirectory() as folder:
        narrowed = Path(folder, "variants.yaml")
        narrowed.write_text(f"hdf5: ['{hdf5}']\npython_min: ['{python}']\n", encoding="utf-8")
        return conda.VariantConfig.from_files([VARIANTS, narrowed])
