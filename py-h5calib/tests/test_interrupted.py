"""Files that are made or changed as a whole or not at all: killed anywhere, or out of room."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import kills
import numpy as np
import pytest

from h5calib.contents import whole
from h5calib.contents.whole import files, storage, undo

OLD = np.arange(3000, dtype="i4")
NEW = np.arange(50_000, dtype="f8")


@pytest.fixture(params=["copy", "in place"])
def path(request, tmp_path):
    """A file that is changed by a copy, or, as it has a second name, in place."""
    path = tmp_path / "file.h5"
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        file["old"], file.attrs["note"] = OLD, "before"
        file.create_group("many").attrs["x"] = 1
    if request.param == "in place":
        os.link(path, tmp_path / "second.h5")
    return path


def change(path, check=None):
    """Something of everything HDF5 writes: data, attributes, links, groups, holes."""
    with whole.changed_file(path, check=check) as file:
        file["new"] = NEW
        file.attrs["note"] = "after" * 50
        for i in range(5):
            file[f"many/{i}"] = i
        file.create_dataset("hole", (1 << 20,), "u1", chunks=(1 << 16,))[-1] = 1
        file["old"][7] = -1


def is_old(path):
    with h5py.File(path, "r") as file:
        assert list(file) == ["many", "old"]
        assert file.attrs["note"] == "before"
        assert np.array_equal(file["old"][()], OLD)
    return True


def is_new(path):
    expected = OLD.copy()
    expected[7] = -1
    with h5py.File(path, "r") as file:
        assert file.attrs["note"] == "after" * 50
        assert np.array_equal(file["old"][()], expected)
        assert np.array_equal(file["new"][()], NEW)
        assert [file[f"many/{i}"][()] for i in range(5)] == list(range(5))
        assert file["hole"][-1] == 1
        assert not file["hole"][:-1].any()
    return True


def alone(path):
    """Nothing is left beside."""
    return sorted(p.name for p in path.parent.iterdir() if p.name.startswith(".")) == []


def in_child(function, *arguments):
    """The exit status of a function in a process of its own: 0, 1 after an OSError."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            function(*arguments)
            status = 0
        except OSError:
            pass
        except BaseException:
            status = 3
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_change(path):
    mode = os.stat(path).st_mode
    change(path)
    assert is_new(path)
    assert alone(path)
    assert os.stat(path).st_mode == mode


def test_an_error_leaves_the_bytes(path):
    before = path.read_bytes()

    def fail():
        with whole.changed_file(path) as file:
            file["new"] = NEW
            file["old"][...] = 0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == before
    assert alone(path)


def test_a_check_that_fails_leaves_the_bytes(path):
    before, seen = path.read_bytes(), []

    def check():
        seen.append(is_new(path))
        raise KeyError("no")

    with pytest.raises(KeyError):
        change(path, check)
    assert seen == [True]
    assert path.read_bytes() == before
    assert alone(path)
    change(path, lambda: is_new(path))
    assert is_new(path)
    assert alone(path)


def crash_at(number, monkeypatch, function, *arguments):
    """Run until step `number` of those that touch a disk, and end there as SIGKILL would.

    A write gets half of its bytes out.
    """
    count = iter(range(10**6))

    def step(original):
        def run(*given, **named):
            if next(count) == number:
                if original is undo_write:
                    for offset, data in list(given[1])[:1]:
                        original(given[0], [(offset, bytes(data)[: len(data) // 2])])
                os._exit(9)
            return original(*given, **named)

        return run

    undo_write = undo.write_all
    for module in (files, storage, undo):
        if hasattr(module, "write_all"):
            monkeypatch.setattr(module, "write_all", step(undo_write))
    for name in ("replace", "link", "unlink", "fsync", "utime"):
        monkeypatch.setattr(os, name, step(getattr(os, name)))
    function(*arguments)


@pytest.mark.parametrize("checked", [False, True])
def test_killed_at_every_step(path, tmp_path, checked, monkeypatch):
    check = (lambda: is_new(path)) if checked else None
    before = path.read_bytes()
    names = [p for p in tmp_path.iterdir()]
    ends = set()
    for number in range(10**6):
        status = in_child(crash_at, number, monkeypatch, change, path, check)
        if status == 0:
            break
        assert status == 9
        whole.recover(path)
        with h5py.File(path) as file:
            done = "new" in file
        assert is_new(path) if done else is_old(path)
        ends.add(done)
        change_again = in_child(change, path) if not done else 0
        assert change_again == 0
        assert is_new(path)
        with whole.changed_file(path):  # removes what was left
            pass
        assert alone(path)
        for name in names:  # as it was
            name.unlink(missing_ok=True)
        path.write_bytes(before)
        for name in names[1:] if names[0] == path else names[:-1]:
            os.link(path, name)
    assert number > 20
    assert False in ends


def test_a_new_file_killed_at_every_step(tmp_path, monkeypatch):
    path = tmp_path / "new.h5"

    def make():
        with whole.new_file(path) as file:
            file["new"] = NEW

    for number in range(10**6):
        status = in_child(crash_at, number, monkeypatch, make)
        if status == 0:
            break
        if path.exists():
            with h5py.File(path) as file:
                assert np.array_equal(file["new"][()], NEW)
            path.unlink()
        assert in_child(make) == 0
        assert alone(path)
        path.unlink()
    assert number > 5


def limited(size, function, *arguments):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    function(*arguments)


def test_files_that_may_not_grow(path):
    """At 60 sizes: it is as it was, or new; nothing in between, and nothing left beside."""
    before = path.read_bytes()
    change(path)
    full = os.path.getsize(path)
    others = [p for p in path.parent.iterdir() if p != path]
    seen = set()
    for size in np.linspace(0, full + (1 << 16), 60).astype(int):
        for name in (path, *others):
            name.unlink(missing_ok=True)
        path.write_bytes(before)
        for name in others:
            os.link(path, name)
        status = in_child(limited, int(size), change, path)
        assert status in (0, 1)
        assert is_new(path) if status == 0 else path.read_bytes() == before
        assert alone(path)
        seen.add(status)
    assert seen == {0, 1}


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="root mounts a tmpfs")
@pytest.mark.parametrize("in_place", [False, True])
def test_a_full_disk(tmp_path, in_place):
    disk, path = tmp_path / "disk", tmp_path / "disk" / "file.h5"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", disk]).returncode:
        pytest.skip("mount is not allowed here")
    try:
        with h5py.File(path, "w") as file:
            file["old"], file.attrs["note"] = OLD, "before"
            file.create_group("many")
            file.create_dataset("hole", (1 << 16,), "u1")
        if in_place:
            os.link(path, disk / "second.h5")
        before, seen = path.read_bytes(), set()
        for room in np.linspace(0, 700_000, 60).astype(int):
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
            (disk / "ballast").write_bytes(bytes(max(0, free - int(room))))

            def grow():
                with whole.changed_file(path) as file:
                    file["new"] = NEW
                    file["hole"][...] = 1
                    file.attrs["note"] = "after"

            status = in_child(grow)
            (disk / "ballast").unlink()
            assert status in (0, 1)
            with h5py.File(path) as file:
                assert ("new" in file) == (status == 0)
                assert np.array_equal(file["old"][()], OLD)
            if status == 0:
                (disk / "second.h5").unlink(missing_ok=True)
                path.unlink()
                path.write_bytes(before)
                if in_place:
                    os.link(path, disk / "second.h5")
            else:
                assert path.read_bytes() == before
            assert alone(path)
            seen.add(status)
        assert seen == {0, 1}
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_file_with_a_user_block_and_something_behind_its_end(tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["old"] = OLD
    end = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.write(b"notes")
        file.seek(end)
        file.write(b"left by a killed program" * 1000)
        file.flush()
        assert storage.end_of_file(file) == end
    with whole.changed_file(path, small=0) as file:
        file["new"] = NEW
    with h5py.File(path) as file:
        assert np.array_equal(file["new"][()], NEW)
        assert np.array_equal(file["old"][()], OLD)
    assert path.read_bytes()[:5] == b"notes"


@pytest.mark.parametrize("libver", ["earliest", ("v108", "v108"), ("v110", "v110")])
@pytest.mark.parametrize("small", [0, 1 << 30])
def test_every_superblock(tmp_path, libver, small):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w", libver=libver) as file:
        file["old"] = OLD
    with open(path, "rb") as file:
        assert storage.end_of_file(file) == os.path.getsize(path)
    with whole.changed_file(path, small=small) as file:
        file["new"] = NEW
    with h5py.File(path) as file:
        assert np.array_equal(file["new"][()], NEW)


def test_a_journal_of_another_file_is_not_applied(tmp_path):
    path = tmp_path / "file.h5"
    path.write_bytes(b"x" * 5000)
    undo.write_journal(str(path), 4000, [undo.Block(0, b"a" * 100, b"b" * 100)])
    with pytest.raises(OSError, match="another one now"):
        whole.recover(path)
    assert path.read_bytes() == b"x" * 5000
    Path(undo.journal_of(str(path))).write_bytes(b"h5calib undo 1\n{}\n")
    with pytest.raises(OSError, match="cannot be undone"):
        whole.recover(path)


def test_two_programs(path):
    """The second is told that the first is at it; a reader's lock as well."""
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with whole.changed_file(path) as file:
            file["a"] = 1
            entered.set()
            leave.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(20)
    with pytest.raises(BlockingIOError, match="open elsewhere"), whole.changed_file(path):
        pass
    leave.set()
    thread.join()
    with h5py.File(path) as file:
        assert file["a"][()] == 1


def test_a_new_file_takes_no_name(tmp_path):
    path = tmp_path / "new.h5"

    def make():
        with whole.new_file(path) as file:
            file["a"] = 1
            path.write_text("somebody's")

    with pytest.raises(FileExistsError, match="by now"):
        make()
    assert path.read_text() == "somebody's"
    with pytest.raises(FileExistsError, match="choose another"), whole.new_file(path):
        pass
    assert alone(path)


def test_names_with_any_letters(tmp_path):
    """The name of the file is what relative links start from."""
    folder = tmp_path / "Müller Δ"
    folder.mkdir()
    with whole.new_file(folder / "é.h5") as file:
        assert file.filename == str(folder / "é.h5")
    with whole.changed_file(folder / "é.h5") as file:
        assert file.filename == str(folder / "é.h5")


def test_what_is_no_hdf5_file(tmp_path):
    path = tmp_path / "file.h5"
    path.write_bytes(b"no" * 20)
    for small in (0, 1 << 20):
        with pytest.raises(OSError, match=r"HDF5|signature"), whole.changed_file(path, small=small):
            pass
    assert path.read_bytes() == b"no" * 20
    assert alone(path)


def test_no_room_is_said(path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage, "write_all", full)
    monkeypatch.setattr(undo, "reserve", full)
    with pytest.raises(OSError, match="No space left"):
        change(path)
    assert is_old(path)


def test_killed_commands(tmp_path):
    """The short form of the nox session `kills`."""
    seen = kills.kill(6 * len(kills.COMMANDS), tmp_path)
    assert sum(killed for killed, _ in seen.values()) > len(kills.COMMANDS)
