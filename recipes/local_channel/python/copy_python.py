"""Copy the Python that runs this, without its site-packages and tests, into the prefix given."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path

NOT_COPIED = shutil.ignore_patterns(
    "site-packages",
    "dist-packages",
    "__pycache__",
    "test",
    "tests",
    "idle_test",
    "idlelib",
    "turtledemo",
    "*.a",
)


def main(prefix: Path) -> None:
    if "deb_system" in sysconfig.get_scheme_names():
        raise SystemExit("Debian's own Python installs elsewhere: use one of pyenv or uv")
    base, version = Path(sys.base_prefix), f"python{sysconfig.get_python_version()}"
    for folder in (f"lib/{version}", f"include/{version}"):
        shutil.copytree(base / folder, prefix / folder, ignore=NOT_COPIED, symlinks=True)
    for library in (base / "lib").glob("libpython*.so*"):
        shutil.copy2(library, prefix / "lib", follow_symlinks=False)
    (prefix / f"lib/{version}/site-packages").mkdir()
    (prefix / f"lib/{version}/site-packages/README.txt").write_text(
        "Packages are installed here.\n"
    )
    (prefix / "bin").mkdir(exist_ok=True)
    shutil.copy2(base / "bin" / version, prefix / "bin")
    for name in ("python", "python3"):
        (prefix / "bin" / name).symlink_to(version)
    for file in (prefix / "lib" / version).rglob("*"):
        if file.suffix == ".py" or file.name == "Makefile":
            rebase(file, base, prefix)


def rebase(file: Path, old: Path, new: Path) -> None:
    """Write the new prefix where the build configuration names the old one."""
    content = file.read_bytes()
    if bytes(old) in content:
        file.write_bytes(content.replace(bytes(old), bytes(new)))


main(Path(sys.argv[1]))
