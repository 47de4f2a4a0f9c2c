"""Prepare the release of one package: its version, recipe and changelog; leave the others alone.

    python tools/release.py h5calib 1.2.0

Then commit, and push the tag that is printed: it publishes this package and no other.
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from pathlib import Path

from packaging.version import InvalidVersion, Version
from project import (
    BUILD_NUMBER,
    FOLDERS,
    PROJECT_VERSION,
    RECIPE_VERSION,
    ROOT,
    Package,
    packages,
    released,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("package", choices=FOLDERS)
    parser.add_argument("version")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    parser.add_argument(
        "--date", default=datetime.date.today().isoformat(), help="of the release [%(default)s]"
    )
    options = parser.parse_args()
    package = Package(options.package, options.root.resolve())
    problem = refused(package, options.version)
    if problem:
        print(f"{package.name} {options.version} is not prepared: {problem}")
        return 1
    for file in prepare(package, options.version, options.date):
        print(f"changed {file.relative_to(package.root)}")
    for other in packages(package.root):
        wanted = other.dependencies(extras=True).get(package.name)
        if wanted is not None and not wanted.contains(options.version, prereleases=True):
            print(f"note: {other.name} asks for {package.name}{wanted}, its next release must not")
    tag = f"{package.name}-v{options.version}"
    print(f"tag {tag}\n")
    print(f"  git commit -am '{package.name}: release {options.version}'\n  git tag {tag}")
    return 0


def refused(package: Package, version: str) -> str | None:
    """Why this version cannot be released, if so."""
    try:
        if str(Version(version)) != version:
            return f"write it as {Version(version)}"
    except InvalidVersion:
        return "that is no version"
    newest = package.headings[0] if package.headings else None
    if newest is None or released(newest):
        return f"the changelog must begin with '## {version} (not yet released)' and what changed"
    if not section(package):
        return "the changelog's newest section is empty"
    if Version(version) < Version(package.version):
        return f"{package.version} is newer"
    return (
        "it has been released"
        if version in [old["version"] for old in package.headings if released(old)]
        else None
    )


def section(package: Package) -> str:
    """The text of the changelog's newest section."""
    text = package.changelog.read_text(encoding="utf-8")
    starts = [*(found.end() for found in package.headings[:1])]
    ends = [found.start() for found in package.headings[1:2]] or [len(text)]
    return text[starts[0] : ends[0]].strip()


def prepare(package: Package, version: str, date: str) -> list[Path]:
    """Write the version where it belongs; the files changed."""
    newest = package.headings[0].group()
    version_here = rf"\g<1>{version}\g<3>"
    edits = {
        package.pyproject: [(PROJECT_VERSION, version_here)],
        package.recipe: [(RECIPE_VERSION, version_here), (BUILD_NUMBER, r"\g<1>0")],
        package.changelog: [(re.compile(re.escape(newest)), f"## {version} ({date})")],
    }
    texts = {file: edited(file, changes) for file, changes in edits.items()}
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")
    return list(texts)


def edited(file: Path, changes: list[tuple[re.Pattern, str]]) -> str:
    """The text of `file` with the first match of each pattern replaced."""
    text = file.read_text(encoding="utf-8")
    for pattern, replacement in changes:
        text, count = pattern.subn(replacement, text, count=1)
        if not count:
            raise SystemExit(f"{file}: found nothing like {pattern.pattern!r}")
    return text


if __name__ == "__main__":
    sys.exit(main())
