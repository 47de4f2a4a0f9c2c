"""PNG's `sBIT`: how many bits of a sample the camera measured.

A writer scales the counts of a camera up to 8 or 16 bits in one of three ways: zeros below them,
their own first bits repeated below them, or the nearest number to count * 65535 / 4095. In all
three the count is the sample shifted down. Writers also put `sBIT` beside samples that are not
scaled, or whose low bits carry something; shifting those down would lose it. So every sample is
looked at, and where one is none of these the stored numbers are kept.
"""

from collections.abc import Sequence

import numpy as np

from .declared import Pixels


def shifted(
    pixels: Pixels, found: Sequence[int], depth: int
) -> tuple[Pixels, int | None, str | None]:
    """(pixels, bits, note): shifted down if nothing is lost, else as they are with a note.

    `found` has the significant bits of each channel, the last axis of [row, column, channel],
    and `depth` is that of the samples, 8 or 16.
    """
    said = " ".join(map(str, found))
    planes = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    if len(found) != planes.shape[-1] or not all(0 < bits <= depth for bits in found):
        return pixels, None, f"{said} (not valid, samples kept as stored)"
    if all(bits == depth for bits in found):
        return pixels, depth, None
    if all(_scaled(planes[..., i], bits, depth) for i, bits in enumerate(found)):
        down = np.array([depth - bits for bits in found], pixels.dtype)
        return pixels >> (down if pixels.ndim == 3 else down[0]), max(found), None
    small = int(pixels.max()) < 2 ** max(found)
    return pixels, max(found) if small else None, f"{said} (samples kept as stored)"


def _scaled(plane: Pixels, bits: int, depth: int) -> bool:
    """Whether all samples are counts of `bits` bits, scaled up to `depth` in one of three ways."""
    counts = np.arange(2**bits, dtype=np.uint32)
    repeated = counts << (depth - bits)
    below, filled = repeated.copy(), bits
    while filled < depth:
        below |= repeated >> filled
        filled += bits
    nearest = (counts * (2**depth - 1) + (2**bits - 1) // 2) // (2**bits - 1)
    index = plane >> (depth - bits)
    return any(np.array_equal(way[index], plane) for way in (repeated, below, nearest))
