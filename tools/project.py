"""The packages of this repository and the files that name a version of one."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: packages that conda-forge calls otherwise than PyPI
FROM_CONDA = {"python-xxhash": "xxhash"}

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"libh5calib": "libh5calib", "h5calib": "py-h5calib", "openpmd-ccd": "py-openpmd-ccd"}

PROJECT_VERSION = re.compile(r'(?m)^(version = ")([^"]+)(")')
RECIPE_VERSION = re.compile(r'(?m)^(  version: ")([^"]+)(")$')
BUILD_NUMBER = re.compile(r"(?m)^(  number: )\d+$")
HEADING = re.compile(r"(?m)^## (?P<version>\S+)(?: \((?P<note>[^)]*)\))?$")
DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Package:
    name: str
    root: Path = ROOT

    @property
    def folder(self) -> Path:
        return self.root / FOLDERS[self.name]

    @property
    def pyproject(self) -> Path:
        return self.folder / "pyproject.toml"

    @property
    def changelog(self) -> Path:
        return self.folder / "CHANGELOG.md"

    @property
    def recipe(self) -> Path:
        return self.root / "recipes" / self.name / "recipe.yaml"

    @property
    def project(self) -> dict:
        return tomllib.loads(self.pyproject.read_text(encoding="utf-8"))["project"]

    @property
    def version(self) -> str:
        return self.project["version"]

    @property
    def headings(self) -> list[re.Match]:
        """The changelog's headings, newest first: '## 1.2.0 (2026-01-31)', '## Unreleased'."""
        return list(HEADING.finditer(self.changelog.read_text(encoding="utf-8")))

    def dependencies(self, extras: bool = False) -> dict[str, SpecifierSet]:
        """What the wheel asks for; with its extras, if wanted."""
        texts = list(self.project.get("dependencies", []))
        if extras:
            texts += [
                text
                for extra in self.project.get("optional-dependencies", {}).values()
                for text in extra
            ]
        return {canonicalize_name(item.name): item.specifier for item in map(Requirement, texts)}

    def recipe_outputs(self) -> dict[str, dict]:
        """The recipe's packages by name, each with what it runs with and what it constrains."""
        recipe = yaml.safe_load(self.recipe.read_text(encoding="utf-8"))
        outputs = {}
        for output in recipe.get("outputs", [recipe]):
            requirements = output.get("requirements", {})
            outputs[output["package"]["name"]] = {
                kind: dict(map(_split, requirements.get(kind, [])))
                for kind in ("run", "run_constraints")
            }
        return outputs

    def recipe_version(self) -> str:
        return yaml.safe_load(self.recipe.read_text(encoding="utf-8"))["context"]["version"]


def python_min(root: Path = ROOT) -> str:
    """The oldest Python of the conda packages."""
    return yaml.safe_load((root / "recipes" / "variants.yaml").read_text(encoding="utf-8"))[
        "python_min"
    ][0]


def packages(root: Path = ROOT) -> list[Package]:
    return [Package(name, root) for name in FOLDERS]


def released(heading: re.Match) -> bool:
    return bool(DATE.fullmatch(heading["note"] or ""))


def _split(spec: str) -> tuple[str, SpecifierSet | str]:
    """Name and range of a conda requirement; templates have no range of their own."""
    name, _, rest = spec.partition(" ")
    if "${{" in spec:
        return (name, rest) if not spec.startswith("${{") else (spec, "")
    return FROM_CONDA.get(name, canonicalize_name(name)), SpecifierSet(rest)
