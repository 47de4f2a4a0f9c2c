"""Build the offline stand-in for conda-forge: a channel in a folder.

Wheels and the interpreter that runs this are repacked, zlib and HDF5 are compiled from Debian's
source, h5py from its sdist against that HDF5, and the compilers are stubs for the host's.  What is
in it: packages.py.
"""

from __future__ import annotations

import platform
import re
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from rattler_build import VariantConfig

from local_channel import conda, fetch, wheel
from local_channel.packages import BUILT, STUBS, WHEELS
from local_channel.store import Store, content

HERE = Path(__file__).resolve().parent
VERSION = platform.python_version()
MACHINE = [platform.machine(), *platform.libc_ver(), VERSION, version("py-rattler-build")]
FETCH = {"debian": fetch.debian, "sdist": fetch.sdist}


def build_channel(store: Store) -> Path:
    """The channel's folder; made of what `store` keeps, and of what is missing there."""
    packages = {
        path.name.rsplit("-", 2)[0]: path
        for path in [*_python(store), *_stubs(store), *_wheels(store)]
    }
    for name, (origin, source, needs) in BUILT.items():
        archive = _archive(store, name, origin, source)
        folder = store.folder(
            name,
            [
                MACHINE,
                content(HERE / name),
                content(archive),
                [content(packages[need]) for need in needs],
            ],
            lambda new, name=name, archive=archive: _build(
                name, archive, [_channel(store, packages.values())], new
            ),
        )
        packages[name] = _packages(folder)[0]
    return _channel(store, packages.values())


def _python(store: Store) -> list[Path]:
    context = {"version": VERSION, "interpreter": sys.executable}
    recipe = HERE / "python" / "recipe.yaml"
    return _packages(
        store.folder(
            "python",
            [MACHINE, sys.base_prefix, content(recipe.parent)],
            lambda new: _keep(conda.build(recipe, [], new / "work", context=context), new),
        )
    )


def _stubs(store: Store) -> list[Path]:
    def fill(new: Path) -> None:
        for name, (number, lines) in STUBS.items():
            wheel.stub(name, number, lines, new)

    return _packages(store.folder("stubs", [MACHINE, STUBS, content(HERE / "wheel.py")], fill))


def _wheels(store: Store) -> list[Path]:
    downloads = store.folder(
        "downloaded-wheels", [MACHINE, WHEELS], lambda new: fetch.wheels(WHEELS, new)
    )
    packages = []
    for file in sorted(downloads.glob("*.whl")):
        label = "-".join(file.name.split("-")[:2])
        inputs = [MACHINE, content(file), content(HERE / "wheel.py")]
        packages += _packages(
            store.folder(label, inputs, lambda new, file=file: wheel.repack(file, new))
        )
    return packages


def _archive(store: Store, name: str, origin: str, source: str) -> Path:
    folder = store.folder(
        f"{name}-source", [origin, source], lambda new: FETCH[origin](source, new)
    )
    archives = [*folder.glob("*.orig.tar.*"), *folder.glob("*[0-9].tar.gz")]
    return archives[0]


def _build(name: str, archive: Path, channels: Sequence[Path], new: Path) -> None:
    number = re.findall(r"\d+(?:\.\d+)+", archive.name)[-1]
    context = {"version": number, "archive": str(archive), "python_version": VERSION}
    variants = VariantConfig.from_yaml("c_compiler_version: ['13']")
    _keep(conda.build(HERE / name / "recipe.yaml", channels, new / "work", variants, context), new)


def _keep(packages: list[Path], new: Path) -> None:
    """Keep the packages of a build, not its work folders."""
    for package in packages:
        (new / package.parent.name).mkdir(exist_ok=True)
        package.rename(new / package.parent.name / package.name)
    shutil.rmtree(new / "work")


def _packages(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.conda"))


def _channel(store: Store, packages: Sequence[Path]) -> Path:
    inputs = [[package.parent.name, content(package)] for package in packages]
    return store.folder("channel", inputs, lambda new: conda.channel(new, packages))
