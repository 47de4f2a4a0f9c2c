"""LabVIEW's Python Node, played: a session is a process that is called with typed terminals.

`Session.call(function, *terminals)` sends the values of the wired terminals, in order, to a
process that has imported the module. Each value is marshalled as LabVIEW does it: integers and
floats are checked against their type, arrays become nested lists, or NumPy arrays where the
terminal says "Marshal to NumPy Array", clusters become tuples. The returned value must be what
the wired terminal expects: a cluster of Boolean, I32 and String.
"""

import math
import os
import pickle
import struct
import subprocess
import sys

import numpy as np


def i32(value=0):
    """An I32 terminal; unwired it passes 0."""
    assert -(2**31) <= value < 2**31
    return ("scalar", int(value))


def dbl(value=0.0):
    """A DBL terminal; unwired it passes 0."""
    return ("scalar", float(value))


def boolean(value=False):
    """A Boolean terminal."""
    return ("scalar", bool(value))


def string(value=""):
    """A String or Path terminal; unwired it passes "" ."""
    return ("scalar", str(value))


def array(value=(), dtype="u2", dimensions=2, numpy=False):
    """An array terminal; unwired it passes an empty array."""
    value = np.zeros((0,) * dimensions, dtype) if len(value) == 0 else np.asarray(value, dtype)
    assert value.ndim == dimensions
    return ("numpy", value) if numpy else ("list", value)


def cluster(*terminals):
    """A cluster of terminals."""
    return ("cluster", terminals)


def marshal(terminal):
    """The Python value that the node passes for a terminal."""
    kind, value = terminal
    if kind == "list":
        return value.tolist()
    if kind == "cluster":
        return tuple(map(marshal, value))
    return value


def check_return(value):
    """The error cluster, or an AssertionError: LabVIEW would stop with a type error."""
    assert type(value) is tuple, value
    assert len(value) == 3, value
    status, code, source = value
    assert (type(status), type(code), type(source)) == (bool, int, str), value
    assert -(2**31) <= code < 2**31
    assert status == (code != 0), value
    assert code == 0 or 5000 <= code <= 9999, value
    return value


class Session:
    """One LabVIEW Python session."""

    def __init__(self, module="openpmd_ccd_labview", folder=None, settings=None):
        environment = dict(os.environ)
        if folder:
            environment["PYTHONPATH"] = str(folder)
        self.process = subprocess.Popen(
            [sys.executable, __file__, module], env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        for name, value in (settings or {}).items():
            self._send(("set", name, value))

    def _send(self, message):
        data = pickle.dumps(message)
        self.process.stdin.write(struct.pack("<Q", len(data)) + data)
        self.process.stdin.flush()
        size = self.process.stdout.read(8)
        if len(size) < 8:
            raise RuntimeError(self.process.stderr.read().decode())
        kind, value = pickle.loads(self.process.stdout.read(struct.unpack("<Q", size)[0]))
        if kind == "exception":
            raise AssertionError(f"an exception left the module: {value}")
        return value

    def call(self, function, *terminals):
        """Call a function; (status, code, source)."""
        return check_return(self._send(("call", function, terminals)))

    def end(self):
        """Close Python Session."""
        self.process.stdin.close()
        assert self.process.wait(60) == 0, self.process.stderr.read().decode()
        assert self.process.stderr.read() == b""

    def kill(self):
        """LabVIEW is killed."""
        self.process.kill()
        self.process.wait(60)


def _host(name):
    """The session's process: everything that leaves the module's functions is sent back."""
    import importlib

    out = os.dup(1)
    os.dup2(2, 1)  # what a module prints must not disturb the protocol
    module = importlib.import_module(name)
    while len(size := sys.stdin.buffer.read(8)) == 8:
        message = pickle.loads(sys.stdin.buffer.read(struct.unpack("<Q", size)[0]))
        if message[0] == "set":
            setattr(module, *message[1:])
            reply = ("value", None)
        else:
            try:
                function = getattr(module, message[1])
                reply = ("value", function(*map(marshal, message[2])))
            except BaseException as error:
                reply = ("exception", repr(error))
        data = pickle.dumps(reply)
        os.write(out, struct.pack("<Q", len(data)) + data)


NAN = math.nan

if __name__ == "__main__":
    _host(sys.argv[1])
