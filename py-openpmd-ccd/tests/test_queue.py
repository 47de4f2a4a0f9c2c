"""Scans with ``blocking=False``: order, copies, a bounded queue, errors that come later."""

import threading
import time

import numpy as np
import openpmd_ccd.writing.safety
import pytest
from conftest import by_api, frame, validator
from openpmd_ccd import CCD, DiskFullError, ImageError, QueueFullError, ShotNumberError


@pytest.fixture
def gate(monkeypatch):
    """Writing waits until the gate is opened."""
    from openpmd_ccd.writing.writer import Hdf5Writer

    opened, write = threading.Event(), Hdf5Writer.write

    def wait_and_write(self, shot):
        opened.wait(30)
        write(self, shot)

    monkeypatch.setattr(Hdf5Writer, "write", wait_and_write)
    yield opened
    opened.set()


def test_the_image_is_copied(gate, scan_path):
    image = frame(0, (50, 60))
    colour = frame(1, (5, 6, 3))
    with CCD(scan_path, blocking=False) as scan:
        for number in range(5):
            image[...] = number
            colour[...] = number
            scan.add(2 * number, image)
            scan.add(2 * number + 1, colour) if number < 2 else None
        image[...] = 99
        colour[...] = 99
        assert scan.safe == []
        assert scan.waiting == 7
        gate.set()
        scan.flush()
        assert scan.waiting == 0
        assert len(scan.safe) == 7
        for number in range(5, 40):
            image[...] = number
            scan.add(2 * number, image)
    assert validator(scan_path) == (0, 0)
    for number, shot in by_api(scan_path).items():
        for plane in shot["planes"].values():
            assert (plane == number // 2).all()


def test_full_queue_waits(gate, scan_path):
    with CCD(scan_path, blocking=False, queue_size=2) as scan:
        for number in range(3):  # one more is in the writer's hands
            scan.add(number, frame(number))
            time.sleep(0.05)
        thread = threading.Thread(target=scan.add, args=(3, frame(3)))
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        gate.set()
        thread.join(10)
        assert not thread.is_alive()
    assert sorted(by_api(scan_path)) == [0, 1, 2, 3]


def test_full_queue_raises(gate, scan_path):
    with CCD(scan_path, blocking=False, queue_size=2, when_full="raise") as scan:
        for number in range(3):
            scan.add(number, frame(number))
            time.sleep(0.05)
        with pytest.raises(QueueFullError, match="shot 3 was not taken: 2 shots wait") as caught:
            scan.add(3, frame(3))
        assert caught.value.code == 5013
        gate.set()
        scan.flush()
        scan.add(3, frame(3))
    assert sorted(by_api(scan_path)) == [0, 1, 2, 3]


def test_mistakes_are_said_at_once(scan_path):
    with CCD(scan_path, blocking=False) as scan:
        scan.add(0, frame(0))
        with pytest.raises(ShotNumberError):
            scan.add(0, frame(0))
        with pytest.raises(ImageError):
            scan.add(1, [])
    assert sorted(by_api(scan_path)) == [0]


def test_deferred_errors(scan_path, monkeypatch):
    scan = CCD(scan_path, blocking=False)
    scan.add(0, frame(0))
    scan.flush()
    with monkeypatch.context() as full:
        full.setattr(openpmd_ccd.writing.safety, "free_bytes", lambda folder: 0)
        scan.add(1, frame(1))
        scan._background.drain()
    with pytest.raises(DiskFullError, match=r"shot 1 was not written.*shot 0 is safe"):
        scan.add(2, frame(2))
    scan.add(2, frame(2))
    scan.add(1, frame(1))  # its number is free again
    with pytest.raises(DiskFullError):
        scan.close()
    scan.close()
    assert sorted(by_api(scan_path)) == [0, 1, 2]


def test_flush_raises_deferred_errors(scan_path, monkeypatch):
    scan = CCD(scan_path, blocking=False)
    monkeypatch.setattr(openpmd_ccd.writing.safety, "free_bytes", lambda folder: 0)
    scan.add(0, frame(0))
    with pytest.raises(DiskFullError, match="no shot is in the file"):
        scan.flush()
    monkeypatch.undo()
    scan.add(1, frame(1))
    scan.flush()
    assert scan.safe == [1]
    with pytest.raises(DiskFullError):
        scan.close()


def test_buffers_are_used_again(scan_path):
    with CCD(scan_path, blocking=False, queue_size=2) as scan:
        for number in range(50):
            scan.add(number, np.full((100, 100), number))
        scan.flush()
        (free,) = scan._background.buffers._free.values()
        assert len(free) <= 4
    for number, shot in by_api(scan_path).items():
        assert (shot["planes"][""] == number).all()
