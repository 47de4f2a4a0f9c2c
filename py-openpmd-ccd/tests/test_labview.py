"""The LabVIEW module, called as LabVIEW calls it."""

import inspect
import subprocess
import sys
import time

import numpy as np
import openpmd_ccd
import openpmd_ccd_labview as module
import pytest
from conftest import BIN, by_api, frame, validator
from labview_simulator import NAN, Session, array, boolean, check_return, cluster, dbl, i32, string

FUNCTIONS = [
    "open_write",
    "add",
    "add_path",
    "recalibrate",
    "flush",
    "status",
    "close",
    "close_all",
]


@pytest.fixture
def session():
    opened = Session()
    yield opened
    if opened.process.poll() is None:
        opened.end()


def wired(folder, name="cam", number=1):
    """All terminals of open_write."""
    return (
        string(folder), string(name), i32(number), string("HERO8"), string("123"),
        string("A B <a@b.c>"), array([5e-6, 4e-6], "f8", 1), array([10, 20, 30, 40], "f8", 1),
        dbl(1e-3),
    )  # fmt: skip


def test_positional_order_is_that_of_the_first_version():
    order = {f: list(inspect.signature(getattr(module, f)).parameters) for f in FUNCTIONS}
    assert order["open_write"][:9] == [
        "directory_path", "ccd_name", "scan_number", "ccd_model", "ccd_serial", "ccd_operator",
        "ccd_resolution", "ccd_roi", "ccd_exposure_time",
    ]  # fmt: skip
    assert order["add"] == ["ccd_name", "image_number", "image_data", "image_path"]
    assert order["recalibrate"] == ["ccd_name", "resolution", "roi", "exposure_time"]
    assert order["close"] == ["ccd_name"]
    assert all(getattr(module, f).__doc__ for f in FUNCTIONS)


def test_a_scan(session, tmp_path):
    image = frame(0, (30, 40))
    assert session.call("open_write", *wired(tmp_path, "far field", 7))[0] is False
    assert session.call("add", string("far field"), i32(0), array(image))[0] is False
    assert session.call("add", string("far field"), i32(1), array(image, numpy=True))[0] is False
    assert session.call("recalibrate", string("far field"), array([1, 2], "f8", 1))[0] is False
    assert session.call("add", string("far field"), i32(2), array(image), string(""))[0] is False
    assert session.call("flush", string("far field"))[:2] == (False, 0)
    text = session.call("status", string("far field"))[2]
    assert "3 images safe, 0 waiting" in text
    assert session.call("close", string("far field"))[0] is False
    path = tmp_path / "far_field_scan-7_ccd.h5"
    assert validator(path) == (0, 0)
    shots = by_api(path)
    for shot in shots.values():
        np.testing.assert_array_equal(shot["planes"][""], image)
        assert shot["planes"][""].dtype == np.uint16
    np.testing.assert_allclose(shots[1]["spacing"], [4e-6, 5e-6])
    np.testing.assert_allclose(shots[1]["offset"], [80e-6, 50e-6])
    np.testing.assert_allclose(shots[2]["spacing"], [2, 1])
    assert shots[2]["mesh"]["ccdExposureTime"] == 1e-3


@pytest.mark.parametrize(
    "unwired",
    [
        (string(), string(), string(), array([], "f8", 1), array([], "f8", 1), dbl()),
        (string(), string(), string(), dbl(NAN), dbl(NAN), dbl(NAN)),
        (string(), string(), string(), dbl(), dbl(), dbl()),
        (string(), string(), string(), dbl(-1), array([0, 0, 0, 0], "f8", 1), dbl(-1)),
        (string(), string(), string(), array([NAN, NAN], "f8", 1), boolean(), boolean()),
        (i32(), i32(), i32(), i32(), i32(), i32()),
        (string(), string(), string(), cluster(dbl(), dbl()), cluster(), i32(-1)),
    ],
)
def test_unwired_terminals_count_as_not_given(unwired, session, tmp_path):
    assert (
        session.call("open_write", string(tmp_path), string("cam"), i32(-1), *unwired)[0] is False
    )
    image = frame(0, (3, 4))
    for number, data in enumerate([array(image), array(image, numpy=True)]):
        assert session.call("add", string("cam"), i32(number), data, string())[0] is False
    assert session.call("recalibrate", string("cam"), *unwired[3:])[0] is False
    session.call("close", string("cam"))
    shot = by_api(tmp_path / "cam_ccd.h5")[1]
    assert shot["spacing"] == [1, 1]
    assert not {"ccdResolution", "ccdROI", "ccdExposureTime"} & set(shot["mesh"])


def test_empty_image_with_a_path(session, tmp_path):
    from PIL import Image

    image = frame(0, (3, 4))
    Image.fromarray(image).save(tmp_path / "shot.png")
    session.call("open_write", *wired(tmp_path))
    path = string(tmp_path / "shot.png")
    assert session.call("add", string("cam"), i32(0), array(), path)[0] is False
    assert session.call("add", string("cam"), i32(1), array(numpy=True), path)[0] is False
    assert session.call("add_path", string("cam"), i32(2), path)[0] is False
    session.call("close", string("cam"))
    for shot in by_api(tmp_path / "cam_scan-1_ccd.h5").values():
        np.testing.assert_array_equal(shot["planes"][""], image)


def test_scan_numbers_are_in_the_file_name_and_nothing_is_overwritten(session, tmp_path):
    for number in (0, 1, 2):
        assert session.call("open_write", *wired(tmp_path, "cam", number))[0] is False
        session.call("add", string("cam"), i32(0), array(frame(number)))
        session.call("close", string("cam"))
    names = [f"cam_scan-{n}_ccd.h5" for n in (0, 1, 2)]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    status, code, source = session.call("open_write", *wired(tmp_path, "cam", 1))
    assert (status, code) == (True, 5006)
    assert "exists already" in source
    pixels = by_api(tmp_path / "cam_scan-1_ccd.h5")[0]["planes"][""]
    np.testing.assert_array_equal(pixels, frame(1))


def test_the_two_settings(tmp_path):
    session = Session(settings={"config_allow_overwrite": True, "config_create_directory": False})
    for number in (5, 6):
        assert session.call("open_write", *wired(tmp_path))[0] is False
        session.call("add", string("cam"), i32(number), array(frame(0)))
        session.call("close", string("cam"))
    assert list(by_api(tmp_path / "cam_scan-1_ccd.h5")) == [6]
    assert session.call("open_write", *wired(tmp_path / "new"))[:2] == (True, 5007)
    session.end()


BAD = {
    "unknown camera": ("add", (string("other"), i32(1), array(frame(0))), 5001),
    "no camera name": ("add", (string(), i32(1), array(frame(0))), 5001),
    "camera as a number": ("status", (i32(3),), 5001),
    "camera as an array": ("status", (array([1], "i4", 1),), 5001),
    "open twice": ("open_write", (string("."), string("cam")), 5002),
    "open without a name": ("open_write", (string("."), string()), 5003),
    "scan number": ("open_write", (string("."), string("c"), dbl(1.5)), 5003),
    "negative scan number": ("open_write", (string("."), string("c"), i32(-2)), 5003),
    "scan number text": ("open_write", (string("."), string("c"), string("x")), 5003),
    "resolution": ("recalibrate", (string("cam"), array([1, NAN], "f8", 1)), 5003),
    "roi": ("recalibrate", (string("cam"), dbl(), array([1, 2], "f8", 1)), 5003),
    "exposure": ("recalibrate", (string("cam"), dbl(), dbl(), dbl(-2)), 5003),
    "no image": ("add", (string("cam"), i32(1)), 5004),
    "empty image": ("add", (string("cam"), i32(1), array()), 5004),
    "1-D image": ("add", (string("cam"), i32(1), array([1, 2], "u2", 1)), 5004),
    "image is a number": ("add", (string("cam"), i32(1), dbl(3)), 5004),
    "no file": ("add_path", (string("cam"), i32(1), string("nope.png")), 5004),
    "duplicate": ("add", (string("cam"), i32(0), array(frame(0))), 5005),
    "negative": ("add", (string("cam"), i32(-1), array(frame(0))), 5005),
    "fractional": ("add", (string("cam"), dbl(1.5), array(frame(0))), 5005),
    "few arguments": ("add", (string("cam"),), 5003),
    "many arguments": ("close", (string("cam"), i32(), i32()), 5003),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_calls_give_their_code(name, session, tmp_path):
    function, terminals, expected = BAD[name]
    session.call("open_write", *wired(tmp_path))
    session.call("add", string("cam"), i32(0), array(frame(0)))
    status, code, source = session.call(function, *terminals)
    assert (status, code) == (True, expected), source
    assert source.startswith(f"openPMD-CCD {function}: ")
    assert session.call("close", string("cam"))[0] is False
    assert list(by_api(tmp_path / "cam_scan-1_ccd.h5")) == [0]


def test_cameras_and_sessions_side_by_side(tmp_path):
    sessions = [Session(), Session()]
    for index, session in enumerate(sessions):
        for name in ("a", "b"):
            assert session.call("open_write", *wired(tmp_path, name, index))[0] is False
    for number in range(5):
        for index, session in enumerate(sessions):
            for name in ("a", "b"):
                image = array(frame(number + 100 * index, (4, 5)))
                assert session.call("add", string(name), i32(number), image)[0] is False
    other = sessions[1].call("open_write", *wired(tmp_path, "a", 0))
    assert other[:2] == (True, 5002)
    third = Session(settings={"config_allow_overwrite": True})
    assert third.call("open_write", *wired(tmp_path, "a", 0))[:2] == (True, 5009)
    third.end()
    for session in sessions:
        assert session.call("close_all")[0] is False
        assert session.call("close_all")[0] is False
        assert session.call("status", string("a"))[:2] == (True, 5001)
        session.end()
    for index in (0, 1):
        for name in ("a", "b"):
            for number, shot in by_api(tmp_path / f"{name}_scan-{index}_ccd.h5").items():
                expected = frame(number + 100 * index, (4, 5))
                np.testing.assert_array_equal(shot["planes"][""], expected)


def test_session_ended_without_close(session, tmp_path):
    session.call("open_write", *wired(tmp_path))
    for number in range(10):
        session.call("add", string("cam"), i32(number), array(frame(number)))
    session.end()
    assert len(by_api(tmp_path / "cam_scan-1_ccd.h5")) == 10
    assert not list(tmp_path.glob("*.journal"))


def test_kill(session, tmp_path):
    session.call("open_write", *wired(tmp_path))
    for number in range(10):
        session.call("add", string("cam"), i32(number), array(frame(number)))
    session.call("flush", string("cam"))
    session.kill()
    path = tmp_path / "cam_scan-1_ccd.h5"
    again = Session()
    status, code, source = again.call("open_write", *wired(tmp_path))
    assert (status, code) == (True, 5006), source
    again.end()
    assert openpmd_ccd.recover(path).shots == list(range(10))
    for number, shot in by_api(path).items():
        np.testing.assert_array_equal(shot["planes"][""], frame(number))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
def test_no_exception_leaves_the_module(error, monkeypatch, tmp_path):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(openpmd_ccd.CCD, "add", fail)
    monkeypatch.setattr(openpmd_ccd.CCD, "check", fail)
    assert module.open_write(str(tmp_path), "x") == (False, 0, str(tmp_path / "x_ccd.h5"))
    for result in (module.add("x", 0, [[1]]), module.status("x"), module.flush("x")):
        status, code, _ = check_return(result)
        expected = 5098 if error in (KeyboardInterrupt, SystemExit) else 5099
        assert status is True
        assert code == expected
    assert check_return(module.close("x"))[0] is False


def test_real_interrupts_do_not_leave_the_module(tmp_path):
    # a session that interrupts itself, so that nearly all signals arrive inside the module
    code = (
        "import signal, sys, os, threading, time\n"
        "import openpmd_ccd_labview as m\n"
        "m.open_write(sys.argv[1], 'i'); m.add('i', 10**6, [[1]])\n"
        "results = []\n"
        "def shoot():\n"
        "    for _ in range(200): time.sleep(0.002); os.kill(os.getpid(), signal.SIGINT)\n"
        "number, bad, escaped = 0, [], 0\n"
        "thread = threading.Thread(target=shoot); thread.start()\n"
        "image = [[7] * 300] * 300\n"
        "while thread.is_alive():\n"
        "    try:\n"
        "        result = m.add('i', number, image)\n"
        "        number += 1; bad += [result] * (result[1] != 0)\n"
        "    except KeyboardInterrupt: escaped += 1; number += 1\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "closed = m.close('i')\n"
        "print(len([r for r in bad if r[1] != 5098]), escaped, number, closed[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=120
    )
    bad, escaped, number, closed = map(int, done.stdout.split())
    assert (bad, closed) == (0, 0), done.stdout
    # 200 were sent; some arrive between the calls, where the simulator's own loop is
    assert escaped < 40, done.stdout
    shots = by_api(tmp_path / "i_ccd.h5")
    assert len(shots) > number - 200
    assert 10**6 in shots
    for n, shot in shots.items():
        assert (shot["planes"][""] == (1 if n == 10**6 else 7)).all()


def test_deferred_errors_come_out_of_the_next_call_and_of_close(tmp_path, monkeypatch):
    import openpmd_ccd.writing.safety

    module.open_write(str(tmp_path), "full")
    assert module.add("full", 0, [[1, 2], [3, 4]])[0] is False
    assert module.flush("full")[0] is False
    monkeypatch.setattr(openpmd_ccd.writing.safety, "free_bytes", lambda folder: 10)
    assert module.add("full", 1, [[1, 2], [3, 4]])[0] is False
    for _ in range(100):
        result = module.status("full")
        if result[0]:
            break
        time.sleep(0.01)
    assert result[:2] == (True, 5008)
    assert "shot 0 is safe" in result[2]
    assert module.status("full")[0] is False
    assert module.close("full")[:2] == (True, 5008)
    assert module.status("full")[1] == 5001


def test_the_module_can_be_copied(tmp_path):
    subprocess.run([BIN / "openpmd-ccd", "labview", "--copy", tmp_path], check=True)
    (tmp_path / "openpmd_ccd_labview.py").rename(tmp_path / "our_copy.py")
    session = Session("our_copy", folder=tmp_path)
    assert session.call("open_write", *wired(tmp_path))[0] is False
    assert session.call("close_all")[0] is False
    session.end()


def test_the_module_can_be_located():
    done = subprocess.run([BIN / "openpmd-ccd", "labview"], capture_output=True, text=True)
    assert done.stdout.strip() == module.__file__


def test_the_folder_may_be_relative_or_not_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert module.open_write("", "here") == (False, 0, "here_ccd.h5")
    assert module.close("here")[0] is False
    assert (tmp_path / "here_ccd.h5").exists()


NOT_A_PATH = string("<Not A Path>")


def test_an_unset_path_counts_as_not_given(session, tmp_path):
    assert session.call("open_write", NOT_A_PATH, string("cam"))[:2] == (True, 5003)
    assert session.call("open_write", string(tmp_path), NOT_A_PATH)[:2] == (True, 5003)
    terminals = (*wired(tmp_path), NOT_A_PATH, NOT_A_PATH, string(), NOT_A_PATH)
    assert session.call("open_write", *terminals)[0] is False
    assert session.call("add", string("cam"), i32(0), array(), NOT_A_PATH)[:2] == (True, 5004)
    assert session.call("add_path", string("cam"), i32(0), NOT_A_PATH)[:2] == (True, 5004)
    assert session.call("add", string("cam"), i32(0), array(frame(0)), NOT_A_PATH)[0] is False
    assert session.call("close", string("cam"))[0] is False
    assert [p.name for p in tmp_path.iterdir()] == ["cam_scan-1_ccd.h5"]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("U16", "u2"), ("u32", "u4"), ("I32", "i4"), ("DBL", "f8"), ("SGL", "f4"), ("uint16", "u2")],
)
def test_a_type_for_lists_makes_all_shots_alike(name, dtype, session, tmp_path):
    terminals = (*wired(tmp_path), string(), string(), string(name))
    assert session.call("open_write", *terminals)[0] is False
    images = [frame(0, (3, 4)), np.full((3, 4), 65535, "i4"), np.zeros((3, 4), "i4")]
    for number, image in enumerate(images):
        shot = array(image, image.dtype)
        assert session.call("add", string("cam"), i32(number), shot)[0] is False
    session.call("close", string("cam"))
    with openpmd_ccd.open_scan(tmp_path / "cam_scan-1_ccd.h5") as scan:
        assert scan.stack().dtype == dtype
        np.testing.assert_array_equal(scan.stack(), np.stack(images))


@pytest.mark.parametrize("name", ["U16", "U8", "I8"])
def test_a_value_that_does_not_fit_the_type_is_refused(name, session, tmp_path):
    session.call("open_write", *wired(tmp_path), string(), string(), string(name))
    for value in (70000, -200):
        shot = array([[1, value]], "i4")
        assert session.call("add", string("cam"), i32(0), shot)[:2] == (True, 5004)
    session.call("close", string("cam"))


@pytest.mark.parametrize("name", ["U12", "complex64", "object", "picture"])
def test_an_unknown_type_is_refused(name, session, tmp_path):
    terminals = (*wired(tmp_path), string(), string(), string(name))
    assert session.call("open_write", *terminals)[:2] == (True, 5003)
    assert not list(tmp_path.iterdir())


def test_opening_an_open_camera_says_how_to_go_on(session, tmp_path):
    session.call("open_write", *wired(tmp_path))
    status, code, source = session.call("open_write", *wired(tmp_path))
    assert (status, code) == (True, 5002)
    assert "call close" in source


@pytest.mark.parametrize("name", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_disks_without_locks(name, tmp_path, monkeypatch):
    import errno
    import fcntl

    def fail(*_):
        raise OSError(getattr(errno, name), "no locks here")

    monkeypatch.setattr(fcntl, "flock", fail)
    status, code, source = module.open_write(str(tmp_path), "nl")
    assert (status, code) == (True, 5018), source
    assert 'lock="none"' in source
    assert not list(tmp_path.iterdir())
    nothing = [None] * 10
    assert module.open_write(str(tmp_path), "nl", *nothing, "none")[0] is False
    assert module.add("nl", 0, [[1, 2]])[0] is False
    assert module.close("nl")[0] is False
    np.testing.assert_array_equal(by_api(tmp_path / "nl_ccd.h5")[0]["planes"][""], [[1, 2]])


def test_the_readme_has_every_terminal():
    import pathlib

    text = (pathlib.Path(__file__).parents[1] / "examples/labview/README.md").read_text()
    for function in (*FUNCTIONS, "calibrate_from_shots"):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{function}` |")]
        count = len(inspect.signature(getattr(module, function)).parameters)
        inputs = row.split("|")[2].strip()
        assert len(inputs.split(", ")) == count or (count == 0 and not inputs), function
