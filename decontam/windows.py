"""Windows: the stretches of a text in which a match may lie that holds something which was seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Place = tuple[int, int]
"""What was seen ends somewhere between these two bytes, both included."""

_WIDEST_CHARACTER = 4  # bytes
_CHEAPER_THAN_A_CALL = 1000  # bytes that RE2 passes in the time it takes to call it once more


def in_bytes(characters: int, extra: int) -> int:
    """How many bytes so many characters may take in a text of `extra` more bytes than characters."""
    return characters + min(extra, characters * (_WIDEST_CHARACTER - 1))


def windows(places: Sequence[Place], reach: int, size: int, apart: int = _CHEAPER_THAN_A_CALL) -> Iterator[tuple[int, int]]:
    """Where a match of at most `reach` bytes may lie that holds what was seen at the places, which are in order.

    Windows never overlap, and those less than `apart` bytes from each other are one.

    >>> list(windows([(10, 10), (40, 41), (90, 90)], 10, 95, 5))
    [(0, 20), (30, 51), (80, 95)]
    """
    start = end = -1
    for first, last in places:
        if first - reach > end + apart and end >= 0:
            yield max(0, start), min(end, size)
            start = first - reach
        elif end < 0:
            start = first - reach
        end = max(end, last + reach)
    if end >= 0:
        yield max(0, start), min(end, size)


def near(data: bytes, stretches: list[Place], extra: int) -> bytes:
    r"""The stretches of UTF-8, which may overlap and go over the ends, one after the other, parted by what stands in no match.

    No character is cut; characters take `extra` bytes more than one each.

    >>> near(b"0123456789abcdefghij", [(10, 13), (-1, 3), (2, 4)], 0)
    b'0123\n\x00\nabc'
    """
    stretches.sort()
    parts = []
    start, end = stretches[0]
    for first, last in stretches:
        if first > end:
            parts.append(_whole(data, max(start, 0), end, extra))
            start, end = first, last
        elif last > end:
            end = last
    parts.append(_whole(data, max(start, 0), end, extra))
    return b"\n\0\n".join(parts) if len(parts) > 1 else parts[0]


def _whole(data: bytes, start: int, end: int, extra: int) -> bytes:
    if extra:
        size = len(data)
        while start < size and data[start] & 0xC0 == 0x80:
            start += 1
        while end < size and data[end] & 0xC0 == 0x80:
            end += 1
    return data[start:end]
