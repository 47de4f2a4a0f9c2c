"""The bytes of format version 1, written here a second time from docs/file-format.md."""

from __future__ import annotations

import math
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5calib.contents.descriptor import Descriptor, decode_stub, encode_stub

FILE = bytes.fromhex("00112233445566778899aabbccddeeff")
DATASET = bytes.fromhex("0123456789abcdef0123456789abcdef")


def test_words_by_hand():
    words = [1, 0, 0x00030001]
    words += [0x33221100, 0x77665544, 0xBBAA9988, 0xFFEEDDCC]
    words += [0x67452301, 0xEFCDAB89, 0x67452301, 0xEFCDAB89]
    words += [2]
    words += [0, 0x00000000, 0xBFF00000]  # -1.0
    words += [4, 0x9999999A, 0x3FB99999]  # 0.1
    words += [zlib.crc32(b"".join(w.to_bytes(4, "little") for w in words))]
    descriptor = Descriptor(0x00030001, FILE, DATASET, ((4, 0.1), (0, -1.0)))
    assert descriptor.encode() == tuple(words)
    created = descriptor.encode(create=True)
    assert created[1] == 1
    assert created[:1] + created[2:] == tuple(words[:1] + words[2:])


def test_a_known_descriptor_stays_the_same_for_ever():
    assert Descriptor(0x00040001, FILE, DATASET).encode()[-1] == 0xCB395A6E


def test_stub_by_hand():
    number = (0x0102030405060708).to_bytes(8, "little")
    check = zlib.crc32(DATASET + number).to_bytes(4, "little")
    assert encode_stub(DATASET, 0x0102030405060708) == b"H5CS" + check + number


parameters = st.dictionaries(st.integers(0, 60), st.floats(allow_nan=False), max_size=20)


@given(st.integers(0, 2**32 - 1), st.binary(min_size=16, max_size=16), parameters, st.booleans())
def test_descriptor_round_trip(algorithm, identity, given_parameters, create):
    descriptor = Descriptor(algorithm, identity, DATASET, tuple(sorted(given_parameters.items())))
    assert Descriptor.decode(descriptor.encode(create=create)) == descriptor


def test_nan_is_a_value():
    words = Descriptor(1, FILE, DATASET, ((3, math.nan),)).encode()
    assert struct.pack("<2I", *words[13:15]) == struct.pack("<d", math.nan)
    assert math.isnan(Descriptor.decode(words).parameters[0][1])


@given(st.integers(0, 2**64 - 1))
def test_stub_round_trip(number):
    assert decode_stub(DATASET, encode_stub(DATASET, number)) == number


@given(st.integers(0, 15), st.integers(1, 255))
def test_any_changed_byte_of_a_stub_is_noticed(position, change):
    stub = bytearray(encode_stub(DATASET, 12))
    stub[position] ^= change
    with pytest.raises(ValueError, match="stub"):
        decode_stub(DATASET, bytes(stub))


def test_a_stub_of_another_dataset():
    with pytest.raises(ValueError, match="belongs to another dataset"):
        decode_stub(FILE, encode_stub(DATASET, 3))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda w: (2, *w[1:]), "format version 2.*update h5calib"),
        (lambda w: w[:-1], "do not make a whole descriptor"),
        (lambda w: w[:5], "do not make a whole descriptor"),
        (lambda w: (*w[:5], w[5] ^ 1, *w[6:]), "check sum.*damaged"),
        (lambda w: (), "format version 0"),
    ],
)
def test_damaged_words(damage, message):
    words = Descriptor(0x00040001, FILE, DATASET, ((0, 1.0),)).encode()
    with pytest.raises(ValueError, match=message):
        Descriptor.decode(damage(words))
