"""tools/floors.py finds what is wrong in a small made-up tree, and nothing in a right one."""

from __future__ import annotations

from pathlib import Path

import floors
import pytest

RIGHT = {
    "core/sum.h": "int sum(int a);\n",
    "core/sum.c": '#include "core/sum.h"\nint sum(int a)\n{\n    return a;\n}\n',
    "hdf5/system/disk.h": "struct disk {\n    int fd;\n};\nint disk_read(struct disk *d);\n",
    "hdf5/system/disk.c": (
        '#include "hdf5/system/disk.h"\n\n'
        '#include "core/sum.h"\n'
        "int disk_read(struct disk *d)\n{\n    return sum(d->fd); /* file_open(d) */\n}\n"
    ),
    "hdf5/file/file.h": '#include "hdf5/system/disk.h"\nint file_open(struct disk *d);\n',
    "hdf5/file/file.c": (
        '#include "hdf5/file/file.h"\n\n'
        "static int read(struct disk *d)\n{\n    return disk_read(d);\n}\n\n"
        'int file_open(struct disk *d)\n{\n    return read(d) ? 0 : sizeof "file_look(d)";\n}\n'
    ),
}
LONG_FUNCTION = "int slow(void)\n{\n" + "    ;\n" * 60 + "}\n"

# what is added to the right tree, and what is then said of it
WRONG = {
    "upward include": (
        {"core/up.h": '#include "hdf5/system/disk.h"\n'},
        "core/up.h lies below hdf5/system/disk.h and includes it",
    ),
    "upward call": (
        {"hdf5/system/up.c": "int up(struct disk *d)\n{\n    return file_open(d);\n}\n"},
        "hdf5/system/up.c lies below hdf5/file/file.c and calls file_open",
    ),
    "upward call of a template": (
        {
            "core/sum.c": "void FN(add)(int i)\n{\n    FN(put)(i);\n}\n",
            "plugin/put.c": "TARGET void FN(put)(int i)\n{\n    (void)i;\n}\n",
        },
        "core/sum.c lies below plugin/put.c and calls FN(put)",
    ),
    "circle of includes": (
        {"hdf5/file/name.h": '#include "hdf5/file/path.h"\n',
         "hdf5/file/path.h": '#include "hdf5/file/name.h"\n'},
        "a circle of files: hdf5/file/name, hdf5/file/path",
    ),
    "circle of calls": (
        {"hdf5/file/name.c": "void name(void)\n{\n    path();\n}\n",
         "hdf5/file/path.c": "void path(void)\n{\n    folder();\n}\n",
         "hdf5/file/folder.c": "void folder(void)\n{\n    name();\n}\n"},
        "a circle of files: hdf5/file/folder, hdf5/file/name, hdf5/file/path",
    ),
    "include one way, call the other": (
        {"hdf5/file/name.h": '#include "hdf5/file/path.h"\nvoid name(void);\n',
         "hdf5/file/name.c": "void name(void)\n{\n}\n",
         "hdf5/file/path.h": "struct path;\n",
         "hdf5/file/path.c": "void path(void)\n{\n    name();\n}\n"},
        "a circle of files: hdf5/file/name, hdf5/file/path",
    ),
    "files of one name": (
        {"core/file.h": "/* another */\n"},
        "two files of the name 'file.h' in core/file.h and hdf5/file/file.h",
    ),
    "structs of one name": (
        {"hdf5/file/file.c": "struct disk {\n    long id;\n};\n"},
        "two types or macros of the name 'disk' in hdf5/file/file.c and hdf5/system/disk.h",
    ),
    "typedefs of one name": (
        {"core/sum.h": "typedef struct s {\n    int i;\n} total;\n",
         "core/sum.c": "typedef unsigned long total;\n"},
        "two types or macros of the name 'total' in core/sum.c and core/sum.h",
    ),
    "macros of one name": (
        {"core/sum.h": "#define H5CALIB_MOST 24\n",
         "hdf5/system/disk.h": "#define H5CALIB_MOST 64\n"},
        "two types or macros of the name 'H5CALIB_MOST' in core/sum.h and hdf5/system/disk.h",
    ),
    "names that say too little": (
        {"hdf5/system/disk.c": "static int read(int fd)\n{\n    return fd;\n}\n"},
        "a name that says too little for two functions, 'read' in hdf5/file/file.c and "
        "hdf5/system/disk.c",
    ),
    "long file": (
        {"core/sum.h": "\n" * 400},
        "core/sum.h has 401 lines, more than 400",
    ),
    "long function": (
        {"core/sum.c": LONG_FUNCTION},
        "core/sum.c:6: slow has 63 lines, more than 60",
    ),
    "no floor": (
        {"hdf5/attic/old.c": "int old;\n"},
        "hdf5/attic/old.c lies on no floor",
    ),
}  # fmt: skip


def write(folder: Path, files: dict[str, str]) -> Path:
    """Files, or more lines at the end of those that are there."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(file.read_text() + text if file.exists() else text)
    return folder


def test_nothing_is_said_of_a_right_tree(tmp_path, run_tool):
    done = run_tool("floors", write(tmp_path, RIGHT))
    assert (done.returncode, done.stdout) == (0, "floors: 6 files, nothing to say\n")


@pytest.mark.parametrize("wrong", WRONG)
def test_each_fault_is_found(tmp_path, run_tool, wrong):
    more, said = WRONG[wrong]
    done = run_tool("floors", write(write(tmp_path, RIGHT), more))
    assert done.returncode == 1
    assert done.stdout.splitlines() == [said]


def test_every_folder_says_what_may_live_there():
    folders = {path.parent for path in floors.SOURCES.rglob("*.[ch]")}
    assert folders
    assert [str(f) for f in sorted(folders) if not (f / "README.md").exists()] == []


def test_the_sources_are_in_order():
    assert floors.faults(floors.SOURCES) == []
