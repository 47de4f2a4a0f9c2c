"""Ten thousand reads: memory, descriptors and HDF5 ids must not grow.

    python tests/leaks.py [READS]

Through h5py, opening and closing files and meeting errors, because that is
where things are forgotten. And a C client under valgrind, which must find
nothing lost and must hold as many blocks after all reads as after a tenth.
"""

import gc
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import h5calib
import h5py
import numpy as np
from h5calib.binding import plugin as _plugin

WARM_UP = 500
# glibc's heap grows by 0 or 32 bytes a read, depending on nothing but the size of the
# environment; what the plugin forgets would come on top, and valgrind counts that exactly
MOST_BYTES_A_READ = 64


def make(folder: Path) -> list[Path]:
    """A view that reads, one whose raw data is gone, one of a chain, and one that is written."""
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 0x4000, (8, 32, 32), dtype="u2")
    calibration = h5calib.Jungfrau(
        pedestal=rng.uniform(1, 9, (3, 32, 32)), gain=rng.uniform(1, 9, (3, 32, 32))
    )
    paths = [folder / name for name in ("good.h5", "broken.h5", "chain.h5")]
    with h5py.File(folder / "raw.h5", "w") as f:
        f["raw"] = raw
    for path in paths[:2]:
        with h5py.File(path, "w") as f:
            h5calib.create_calibrated_dataset(
                f, "v", raw=f"{folder / 'raw.h5'}:/raw", calibration=calibration, chunks=(1, 32, 32)
            )
    with h5py.File(paths[2], "w") as f:
        shift = h5calib.Pedestal(pedestal=np.ones((32, 32)))
        h5calib.create_calibrated_dataset(
            f, "v", raw=f"{paths[0]}:/v", calibration=shift, chunks=(1, 32, 32)
        )
    with h5py.File(paths[1], "r+") as f:
        group = next(iter(f["h5calib"].values()))
        del group["raw"]
        group["raw"] = h5py.ExternalLink("nowhere.h5", "/raw")
    return paths


def read(paths: list[Path], i: int) -> None:
    path = paths[i % 3]
    mode = "r+" if i % 7 == 0 else "r"
    with h5py.File(path, mode) as f:
        try:
            f["v"][i % 8]
        except OSError:
            if path != paths[1]:
                raise


def memory() -> int:
    """Bytes the process has of its own, from the kernel."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("the kernel does not tell")


def ids() -> int:
    return h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_ALL)


def build_client(folder: Path) -> Path:
    """The C client, linked to the libhdf5 that h5py uses."""
    maps = Path("/proc/self/maps").read_text()
    library = re.search(r"(/\S*libhdf5[-.][^/\s]*)$", maps, re.MULTILINE).group(1)
    client = folder / "client"
    source = Path(__file__).with_name("leaks_client.c")
    command = ["cc", "-g", source, "-o", client, library, f"-Wl,-rpath,{Path(library).parent}"]
    subprocess.run(command, check=True)
    return client


def under_valgrind(client: Path, path: Path, reads: int) -> tuple[int, int, int]:
    """Bytes lost, blocks still held at the end, and helper threads alive then."""
    # valgrind knows no AVX-512
    environment = {
        **os.environ,
        "H5CALIB_CPU": "portable",
        "H5CALIB_NUM_THREADS": "2",  # one of them a helper
        "HDF5_PLUGIN_PATH": str(plugin_dir()),
    }
    threads = Path(__file__).with_suffix(".supp")
    command = ["valgrind", "--leak-check=full", f"--suppressions={threads}", client, path,
               str(reads)]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the client failed:\n{done.stderr}")
    lost = sum(
        int(n.replace(",", ""))
        for n in re.findall(r"(?:definitely|indirectly|possibly) lost: ([\d,]+)", done.stderr)
    )
    held, threads = (
        int(re.search(rf"{what}: [\d,]+ bytes in ([\d,]+) blocks", done.stderr)[1].replace(",", ""))
        for what in ("still reachable", "suppressed")
    )
    return lost, held, threads


def plugin_dir() -> Path:
    return _plugin.plugin_file().parent


def check_client(reads: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = make(Path(folder))[0]
        client = build_client(Path(folder))
        few, many = (under_valgrind(client, path, n) for n in (reads // 10, reads))
    print(
        f"{reads} reads under valgrind: {many[0]} bytes lost, {many[1]} blocks held, "
        f"{many[2]} helper threads; after a tenth {few}"
    )
    return many[0] == 0 and many[1] <= few[1] and many[2] == 1


def check_h5py(reads: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        paths = make(Path(folder))
        for i in range(WARM_UP - WARM_UP % 21 + reads % 21):  # both end on the same kind of read
            read(paths, i)
        gc.collect()
        before = memory(), len(os.listdir("/proc/self/fd")), ids()
        for i in range(reads):
            read(paths, i)
        gc.collect()
        after = memory(), len(os.listdir("/proc/self/fd")), ids()
    growth = after[0] - before[0]
    print(
        f"{reads} reads: memory {growth:+d} bytes ({growth / reads:+.2f} a read), "
        f"descriptors {before[1]} -> {after[1]}, HDF5 ids {before[2]} -> {after[2]}"
    )
    return growth <= MOST_BYTES_A_READ * reads and after[1:] == before[1:]


def main(reads: int = 10_000) -> int:
    return 0 if check_h5py(reads) and check_client(reads) else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
