"""Bring what the channel is made of: wheels and sdists by pip, sources of Debian packages by apt.

Each function fills the folder it is given; `build.py` keeps these, so nothing is fetched twice.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

SUITE = "trixie"  # has HDF5 1.14


def wheels(names: list[str], folder: Path) -> None:
    """Download `names` and all they need, as wheels for the running interpreter."""
    _pip("--only-binary", ":all:", "--prefer-binary", *names, "-d", folder)


def sdist(name: str, folder: Path) -> None:
    """Download the source distribution of `name`, without its dependencies."""
    _pip("--no-deps", "--no-binary", name.partition("==")[0], name, "-d", folder)


def debian(name: str, folder: Path) -> None:
    """Download the original source archive of Debian's `name`."""
    _apt("deb-src", SUITE, ["source", "--download-only", "--tar-only", name], folder)


def debian_packages(names: list[str], suite: str, folder: Path) -> None:
    """Unpack Debian's packages `names` of `suite` into `folder`; nothing is installed."""
    _apt("deb", suite, ["download", *names], folder)
    for package in folder.glob("*.deb"):
        _run(["dpkg-deb", "--extract", package, folder])
        package.unlink()


def debian_programs(names: list[str], suite: str, folder: Path) -> None:
    """Unpack `names`, and what they need and this machine does not have, into `folder`."""
    install = ["install", "--yes", "--download-only", "--no-install-recommends", "--reinstall"]
    _apt("deb", suite, [*install, *names], folder)
    for package in folder.glob("*.deb"):
        _run(["dpkg-deb", "--extract", package, folder])
        package.unlink()


def _apt(kind: str, suite: str, command: list[str], folder: Path) -> None:
    """Run apt-get in `folder`, with one suite of Debian and not with the machine's own lists."""
    private = folder / "apt"
    for sub in ("lists/partial", "cache/archives/partial", "empty"):
        (private / sub).mkdir(parents=True)
    sources = private / "sources.list"
    sources.write_text(f"{kind} {_debian_mirror()} {suite} main\n", encoding="utf-8")
    options = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": private / "empty",
        "Dir::State::lists": private / "lists",
        "Dir::Cache": private / "cache",
        "Acquire::Languages": "none",
        "Acquire::Check-Valid-Until": "false",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
    }
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
    _run([*apt, "update"], folder)
    _run([*apt, *command], folder)
    for package in (private / "cache/archives").glob("*.deb"):
        package.rename(folder / package.name)
    shutil.rmtree(private)


def _debian_mirror() -> str:
    """The mirror this machine's own apt uses for its Debian release."""
    fields = "$(ORIGIN)|$(COMPONENT)|$(RELEASE)|$(REPO_URI)"
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", fields, "Created-By: Packages"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for line in listed.splitlines():
        origin, component, release, address = line.split("|")
        if (origin, component) == ("Debian", "main") and "-" not in release:
            return address
    raise SystemExit("apt knows no Debian mirror here: run 'apt-get update', or build --online")


def _pip(*arguments: object) -> None:
    _run([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", *arguments])


def _run(command: list[object], folder: Path | None = None) -> None:
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(
            f"{' '.join(map(str, command[:4]))} ... failed:\n{done.stdout}{done.stderr}"
        )
