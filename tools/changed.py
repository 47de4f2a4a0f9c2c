"""Say which packages the changes since a commit can affect, as lines for $GITHUB_OUTPUT.

python tools/changed.py BASE     # no BASE, or one that is not known here: all of them
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OWNED = {
    "libh5calib": ("libh5calib/", "recipes/libh5calib/"),
    "h5calib": ("py-h5calib/", "recipes/h5calib/"),
    "openpmd-ccd": ("py-openpmd-ccd/", "recipes/openpmd-ccd/"),
}
USED_BY = {"libh5calib": ("h5calib", "openpmd-ccd"), "h5calib": ("openpmd-ccd",), "openpmd-ccd": ()}


def main(base: str = "") -> int:
    affected = affected_by(changed_since(base))
    for package in OWNED:
        print(f"{package}={str(package in affected).lower()}")
    print(f"any={str(bool(affected)).lower()}")
    return 0


def changed_since(base: str) -> list[str] | None:
    """The files that differ from `base`; None if that cannot be told."""
    if not base or not base.strip("0"):
        return None
    command = ["git", "-C", str(ROOT), "diff", "--name-only", f"{base}...HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else None


def affected_by(files: list[str] | None) -> set[str]:
    """The packages to test: the files' owners, those that use them; all for a file of none."""
    if files is None:
        return set(OWNED)
    affected: set[str] = set()
    for file in files:
        owners = [package for package, folders in OWNED.items() if file.startswith(folders)]
        if not owners and not file.startswith("docs/") and not file.endswith(".md"):
            return set(OWNED)
        affected.update(owners, *(USED_BY[owner] for owner in owners))
    return affected


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
