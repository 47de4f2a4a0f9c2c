"""Compile, link and where possible run the C code for every platform, on one Linux machine.

    python tools/platforms.py [--only NAME] [--write docs/platforms.md] [--full]

Zig (PyPI: ziglang) brings the compilers, linkers and C libraries of all of them. Its programs for
other processors are run by qemu-user-static, which is downloaded from Debian where it is not
installed. Exit code 1 where something that should hold does not.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "recipes"))

from local_channel import fetch
from local_channel.store import Store, default_cache

LIBRARY = Path(__file__).resolve().parent.parent / "libh5calib"
TESTS = ("bitshuffle", "tile", "support", "processor", "errors", "threads")
LONG_TESTS = ("variants",)  # minutes each where a processor is emulated
MARKS = ("<!-- table: written by tools/platforms.py -->", "<!-- end of the table -->")


@dataclass(frozen=True)
class Platform:
    """A platform, its name for zig, and what runs its programs: nothing, themselves, or qemu."""

    name: str
    target: str
    runs: str = ""
    glibc: str = ""  # the newest version of a symbol that the plugin may ask for

    @property
    def static(self) -> bool:
        return "musl" in self.target


PLATFORMS = [
    Platform("Linux x86-64, glibc 2.17", "x86_64-linux-gnu.2.17", "native", "2.17"),
    Platform("Linux x86-64, musl", "x86_64-linux-musl", "native"),
    Platform("Linux ARM64, glibc 2.17", "aarch64-linux-gnu.2.17", glibc="2.17"),
    Platform("Linux ARM64, musl", "aarch64-linux-musl", "aarch64"),
    Platform("Linux s390x, big-endian, musl", "s390x-linux-musl", "s390x"),
    Platform("Windows x86-64", "x86_64-windows-gnu"),
    Platform("macOS ARM64", "aarch64-macos.11.0"),
    Platform("macOS x86-64", "x86_64-macos.11.0"),
]


class Failed(Exception):
    """What a compiler, linker or test said."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="platforms whose name has this in it")
    parser.add_argument("--write", type=Path, help="document whose table is written anew")
    parser.add_argument("--full", action="store_true", help="the long tests as well")
    given = parser.parse_args()
    chosen = [p for p in PLATFORMS if not given.only or given.only.lower() in p.name.lower()]
    rows, good = [], True
    for one in chosen:
        cells, fine = examine(one, given.full)
        rows.append(f"| {one.name} | {' | '.join(cells)} |")
        print(rows[-1], flush=True)
        good = good and fine
    if given.write and good:
        write_table(given.write, rows)
    return 0 if good else 1


def examine(one: Platform, full: bool) -> tuple[list[str], bool]:
    """What the table says of a platform: compiles and links, plugin's needs, C tests."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            plugin = build_plugin(one, folder)
            needs = needed_glibc(one, plugin)
            return ["yes", needs, run_tests(one, folder, full)], True
        except Failed as failure:
            return [f"NO: {failure}", "", ""], False


def zig(one: Platform, *arguments: str) -> None:
    options = [
        *("-target", one.target, "-std=gnu11", "-O2", "-ffp-contract=off", "-fno-math-errno"),
        *("-fno-trapping-math", "-Wall", "-Wextra", "-Werror", "-Wno-unused-command-line-argument"),
        *('-DH5CALIB_VERSION="0"', f"-I{LIBRARY}/include", f"-I{LIBRARY}/src"),
    ]
    run([sys.executable, "-m", "ziglang", "cc", *options, *arguments], 1800)


def build_plugin(one: Platform, folder: Path) -> Path:
    """The plugin as a shared object; without it, no program would ever miss a function."""
    sources = [*(LIBRARY / "src").rglob("*.c")]
    plugin = folder / "plugin.bin"
    shared = ["-shared", "-DH5CALIB_BUILDING", "-fvisibility=hidden", "-o", str(plugin)]
    if "windows" not in one.target:
        shared.append("-fPIC")
    if "linux" in one.target:
        shared.append("-Wl,-z,defs")
    zig(one, *shared, *map(str, sorted(sources)))
    return plugin


def needed_glibc(one: Platform, plugin: Path) -> str:
    """The newest glibc whose symbols the plugin asks for."""
    if not one.glibc:
        return "none"
    found = re.findall(rb"GLIBC_(\d+)\.(\d+)(?:\.\d+)?\0", plugin.read_bytes())
    newest = max((int(major), int(minor)) for major, minor in found)
    allowed = tuple(int(part) for part in one.glibc.split("."))
    if newest > allowed:
        raise Failed(f"the plugin needs glibc {newest[0]}.{newest[1]}, more than {one.glibc}")
    return f"glibc {newest[0]}.{newest[1]}"


def run_tests(one: Platform, folder: Path, full: bool) -> str:
    """The C tests of the core, where something runs them."""
    if not one.runs:
        return "not run here"
    emulator = [] if one.runs == "native" else [str(qemu(one.runs))]
    core = [str(path) for path in sorted((LIBRARY / "src/core").rglob("*.c"))]
    done = []
    for name in TESTS + (LONG_TESTS if full or one.runs == "native" else ()):
        program = folder / name
        test = str(LIBRARY / f"tests/test_{name}.c")
        link = ["-static"] if one.static else []
        zig(one, "-DH5CALIB_STATIC", *link, "-pthread", *core, test, "-o", str(program))
        run([*emulator, str(program)], 1800)
        done.append(name)
    return f"pass: {', '.join(done)}"


def qemu(processor: str) -> Path:
    """The emulator, installed or downloaded."""
    name = f"qemu-{processor}-static"
    if installed := shutil.which(name):
        return Path(installed)
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    folder = Store(default_cache()).folder(
        "debian-qemu",
        [suite, platform.machine()],
        lambda new: fetch.debian_programs(["qemu-user-static"], suite, new),
    )
    return folder / "usr/bin" / name


def run(command: list[str], seconds: int) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        print(done.stdout[-4000:], done.stderr[-4000:], file=sys.stderr, flush=True)
        problem = next((x for x in done.stderr.splitlines() if "error" in x), done.stderr[-200:])
        raise Failed(problem.strip() or f"{Path(command[-1]).name} ended with {done.returncode}")


def write_table(document: Path, rows: list[str]) -> None:
    text = document.read_text(encoding="utf-8")
    head, _, rest = text.partition(MARKS[0])
    _, _, tail = rest.partition(MARKS[1])
    head_of_table = [
        "| platform | plugin compiles and links | needs | C tests |",
        "|---|---|---|---|",
    ]
    joined = "\n".join([*head_of_table, *rows])
    document.write_text(f"{head}{MARKS[0]}\n\n{joined}\n\n{MARKS[1]}{tail}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
