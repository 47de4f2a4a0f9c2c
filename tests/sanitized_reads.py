"""Run the integration tests with a plugin built with sanitizers.

    python tests/sanitized_reads.py BUILD_FOLDER [pytest arguments]

The sanitizers' runtime has to be in the process before Python is, so it is
preloaded. Leaks are looked for in tests/leaks.py: Python itself leaks on purpose.
"""

import os
import subprocess
import sys
from pathlib import Path

SUITES = [
    "test_identity.py",
    "test_writing.py",
    "test_shapes.py",
    "test_chains.py",
    "test_damage.py",
    "test_golden.py",
    "test_libraries.py",
    "test_concurrency.py",
    "test_reading.py",
    "test_strips.py",
    "test_bitshuffle.py",
    "test_in_place.py",
    "test_sizes.py",
    "test_forged.py",
    "test_unwritten.py",
    "test_external.py",
]


def runtime(name: str) -> str:
    """Path of a sanitizer's runtime, asked of the compiler."""
    command = [os.environ.get("CC", "cc"), f"-print-file-name={name}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main(build: str, *arguments: str) -> int:
    plugin = Path(build).resolve() / "libh5calib_plugin.so"
    if not plugin.exists():
        sys.exit(f"no plugin at {plugin}")
    environment = {
        **os.environ,
        "H5CALIB_IN_PLACE": "always",  # as many reads as can be
        "HDF5_PLUGIN_PATH": str(plugin.parent),
        "LD_PRELOAD": " ".join(map(runtime, ("libasan.so", "libubsan.so", "libstdc++.so.6"))),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
    }
    here = Path(__file__).parent
    probe = "from h5calib.binding import plugin; print(plugin.plugin_file())"
    found = subprocess.run(
        [sys.executable, "-c", probe],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        cwd=here,
    ).stdout.strip()
    if Path(found).resolve() != plugin:
        sys.exit(f"the tests would run {found}, not {plugin}")
    tests = [str(here / suite) for suite in SUITES]
    # h5repack never ends under a preloaded AddressSanitizer, with or without a plugin; the
    # sanitizer's own memory is not what test_memory and those of a bound look at
    arguments = ("-k", "not h5repack and not test_memory and not the_bound", *arguments)
    command = [sys.executable, "-X", "faulthandler", "-m", "pytest", "-q", *tests, *arguments]
    return subprocess.run(command, env=environment, cwd=here, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
