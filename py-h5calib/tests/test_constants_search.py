"""Which constants a module gets: found by names of files and groups, or an error that says how."""

from __future__ import annotations

import h5py
import pytest

from h5calib.files.search import find_constants, module_in
from h5calib.files.walk import datasets_in


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def made(path, *names):
        (tmp_path / path).parent.mkdir(exist_ok=True, parents=True)
        with h5py.File(tmp_path / path, "w") as file:
            for name in names:
                file[name] = [1.0]

    return made


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("RAW-R0034-AGIPD07-S00000.h5", 7),
        ("agipd-00.h5", 0),
        ("AGIPD15", 15),
        ("LPD00", 0),
        ("lpd_3", 3),
        ("DSSC12_constants", 12),
        ("Q1M1", 0),
        ("Q4M4.h5", 15),
        ("q2m1", 4),
        ("JNGFR03", 3),
        ("JF-2", 2),
        ("module_07", 7),
        ("Module 7", 7),
        ("mod3", 3),
        ("Cheetah-AGIPD02-calib.h5", 2),
        ("AGIPD_SIV1_AGIPDV11_M517", None),  # a detector unit, which may be anywhere
        ("SPB_DET_AGIPD1M-1", None),
        ("FXE_XAD_JF500K", None),
        ("SPB_IRDA_JF4M", None),
        ("JF07T02V01", None),
        ("Q5M1", None),
        ("AGIPD123", None),
        ("model3", None),
        ("Offset", None),
    ],
)
def test_numbers_in_names(name, number):
    assert module_in(name) == number


@pytest.mark.parametrize(
    ("files", "places"),
    [
        (["c/AGIPD00.h5:Offset", "c/AGIPD01.h5:Offset"], ["c"]),
        (["c/agipd-00.h5:Offset/0/data", "c/agipd-01.h5:Offset/0/data"], ["c"]),
        (["c/Q1M1.h5:Offset", "c/Q1M2.h5:Offset"], ["c"]),
        (["c/all.h5:AGIPD00/Offset", "c/all.h5:AGIPD01/Offset"], ["c"]),
        (["all.h5:module_00/Offset", "all.h5:module_01/Offset"], ["all.h5"]),
        (["all.h5:x/LPD00/Offset", "all.h5:x/LPD01/Offset"], ["all.h5:/x"]),
        (["a.h5:Offset", "b.h5:Offset"], ["0=a.h5", "1=b.h5"]),
        (["a-0.h5:Offset", "a-1.h5:Offset"], ["a-{module}.h5"]),
        (["M517.h5:M517/Offset", "M518.h5:M518/Offset"], ["0=M517.h5", "1=M518.h5"]),
        (["one.h5:Offset"], ["all=one.h5"]),
        (["c/AGIPD00.h5:Offset", "c/AGIPD01.h5:Offset", "c/AGIPD02.h5:Offset"], ["c"]),
    ],
)
def test_each_module_has_its_own(write, files, places):
    by_file: dict[str, list[str]] = {}
    for one in files:
        by_file.setdefault(one.split(":")[0], []).append(one.split(":")[1])
    for path, names in by_file.items():
        write(path, *names)
    table = find_constants(places, [0, 1])
    found = [table[module]["Offset"] for module in (0, 1)]
    own = [f.replace(":", ":/") for f in files[:2]] * (2 if len(files) == 1 else 1)
    assert found == own
    assert table[1].used == {"Offset": own[1]}


VERSIONS = ["Offset/0/data", "Offset/2/data", "Offset/10/data"]
PDU = "AGIPD_SIV1_AGIPDV11_M517/Offset"


@pytest.mark.parametrize(
    ("files", "places", "message"),
    [
        ({"c/AGIPD00.h5": VERSIONS}, ["c"], r"could be .*/Offset/0/data, .*/Offset/10/data"),
        ({"c/AGIPD00.h5": ["a/Offset", "b/Offset"]}, ["c"], "could be .*a/Offset, .*b/Offset"),
        ({"c/AGIPD00.h5": ["Offset"], "c/AGIPD00_old.h5": ["Offset"]}, ["c"], "could be .*_old"),
        ({"c/AGIPD00.h5": ["Offset"], "c/LPD00.h5": ["Offset"]}, ["c"], "could be"),
        ({"c/x.h5": ["Offset"], "c/y.h5": ["Offset"]}, ["c"], "could be .*x.h5.*y.h5"),
        ({"c/x.h5": ["Offset"], "c/AGIPD00.h5": ["Offset"]}, ["c"], "could be"),
        ({"c/x.h5": ["Offset"]}, ["c"], "several: say whose it is, --constants 0=c/x.h5"),
        ({"x.h5": [PDU]}, ["x.h5"], "several: say whose it is, --constants 0=x.h5, or .*all=x"),
        ({"AGIPD07.h5": ["Offset"]}, ["0=AGIPD07.h5"], "number of module 7, and it is given for"),
        ({"agipd-7.h5": ["Offset"]}, ["agipd-7{module}.h5"], "there is no file"),
        ({"AGIPD07.h5": ["Offset"]}, ["AGIPD07.h5"], "constants of module 7, or none"),
        ({"AGIPD00.h5": ["AGIPD01/Offset"]}, ["AGIPD00.h5"], "numbers of the modules 0, 1 in its"),
        ({"c/AGIPD07.h5": ["Offset"]}, ["c"], r"c has no .h5 file for the modules \[0, 1\]"),
        ({"x.h5": ["Offset"]}, ["x.h5:/nothing"], "nothing is at /nothing in x.h5"),
        ({}, ["c"], "there is no file or folder c"),
    ],
)
def test_not_to_be_told(write, files, places, message):
    for path, names in files.items():
        write(path, *names)
    with pytest.raises((ValueError, OSError, KeyError), match=message):
        find_constants(places, [0, 1])[0]["Offset"]


def test_one_more_place_chooses(write):
    """As the error says: the last place that has a constant counts, other constants stay."""
    write("c/AGIPD00.h5", *VERSIONS, "Noise/0/data")
    table = find_constants(["c", "0=c/AGIPD00.h5:/Offset/2"], [0, 1])
    assert table[0]["Offset"] == "c/AGIPD00.h5:/Offset/2/data"
    assert table[0]["Noise"] == "c/AGIPD00.h5:/Noise/0/data"
    table = find_constants(["c", "c/AGIPD00.h5:/Offset/10/data"], [0])
    assert table[0]["Offset"] == "c/AGIPD00.h5:/Offset/10/data"


def test_what_is_not_taken_is_not_asked(write):
    write("c/AGIPD00.h5", "Offset", "a/Noise", "b/Noise")
    table = find_constants(["c"], [0])
    assert table[0]["Offset"] == "c/AGIPD00.h5:/Offset"
    assert "Noise" in table[0]


def test_one_module_may_have_files_without_numbers(write):
    write("c/x.h5", PDU)
    assert find_constants(["c"], [3])[3]["Offset"] == f"c/x.h5:/{PDU}"


def test_datasets_behind_links(write):
    """Each group once, loops end, a dataset has all its names, but is one candidate."""
    write("store.h5", "deep/Offset", "deep/Noise")
    write("a.h5", "real/Gain")
    with h5py.File("a.h5", "r+") as file:
        file["outside"] = h5py.ExternalLink("store.h5", "/deep")
        file["soft"] = h5py.SoftLink("/outside/Offset")
        file["real/loop"] = h5py.SoftLink("/")
        file["again"] = h5py.SoftLink("/real")
        file["nowhere"] = h5py.SoftLink("/nothing")
        file["no_file"] = h5py.ExternalLink("gone.h5", "/x")
    with h5py.File("a.h5") as file:
        assert [p for p, _ in datasets_in(file)] == [
            "soft",
            "real/Gain",
            "outside/Noise",
            "outside/Offset",
        ]
    table = find_constants(["a.h5"], [0])
    assert table[0]["Noise"] == "a.h5:/outside/Noise"
