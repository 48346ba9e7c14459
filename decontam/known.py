"""Known texts: which passages of a text stand in an index, in the same order, however much was masked between them.

Shingles that the index has are seeds. From a seed the words on both sides are compared one by one, gaps bridged, for as far
as they agree; so precision comes from whole passages in order and not from one fingerprint. All of it takes time linear in
the text: a place of the text is looked at for so many references at most, a seed that leads nowhere costs a constant.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from decontam.indexes import Index
from decontam.kernels import kernel
from decontam.shingles import PER_WORD, WORDS, Array, Mix, Units, digested, tag
from decontam.tokens import MARK, Tokens, mixed

GAP = 6
"""Units that may be missing, added or exchanged on either side between two that agree."""

SHORT = 40
"""A text of fewer units is there as a whole only if its numbers are, too."""

_AT_ONCE = 12  # references that may claim one place of a text
_NEAR = 5  # units beside a seed, on either side, of which _AGREE agree before all is compared
_AGREE = 1
_LEAST = 8 * PER_WORD  # the weight of units that agree, below which nothing is reported
_COLUMNS = 6
_5, _12, _16, _32 = np.uint64(5), np.uint64(12), np.uint64(16), np.uint64(32)
_6, _18, _24, _63, _1, _0 = np.uint64(6), np.uint64(18), np.uint64(24), np.uint64(63), np.uint64(1), np.uint64(0)
_POSITION, _ROW_BITS = np.uint64(0xFFFF), np.uint64(0xFFFFFFFF)


class Match(NamedTuple):
    """A passage of a text that agrees with a passage of a reference; units are counted from 0 and half-open."""

    row: int
    start: int
    end: int
    known_start: int
    known_end: int
    weight: int
    """Of the units that agree."""
    evidence: float
    """Shingles in common; one that many texts have counts less."""


@kernel
def bloom_mask(hash):  # type: ignore[no-untyped-def]
    """The bits of its block that a fingerprint sets: five, from its low 30 bits."""
    bits = _1 << (hash & _63) | _1 << ((hash >> _6) & _63) | _1 << ((hash >> _12) & _63)
    return bits | _1 << ((hash >> _18) & _63) | _1 << ((hash >> _24) & _63)


@kernel
def bloom_block(hash, blocks):  # type: ignore[no-untyped-def]
    """The block of a fingerprint, from its high 32 bits."""
    return ((hash >> _32) * blocks) >> _32


@kernel
def _sifted(hashes, bloom, passed):  # type: ignore[no-untyped-def]
    """Write the places in `hashes` of those that the filter lets through; their number."""
    blocks = np.uint64(len(bloom))
    count = 0
    for at in range(len(hashes)):
        hash = hashes[at]
        mask = bloom_mask(hash)
        passed[count] = at
        count += 1 if bloom[bloom_block(hash, blocks)] & mask == mask else 0
    return count


@kernel
def _looked_up(hashes, starts, passed, prefix, shift, table, places, seed_starts, seed_places):  # type: ignore[no-untyped-def]
    """Write a seed for each place that the index has of each of the fingerprints that passed; their number."""
    count = 0
    for number in range(len(passed)):
        hash = hashes[passed[number]]
        bucket = hash >> shift
        at, end = prefix[bucket], prefix[bucket + _1]
        while at < end and table[at] < hash:
            at += _1
        while at < end and table[at] == hash:
            seed_starts[count] = starts[passed[number]]
            seed_places[count] = places[at]
            count += 1
            at += _1
    return count


@kernel
def _agree(keys, at, tags, base, place, salt):  # type: ignore[no-untyped-def]
    return tag(keys[at], place, salt) == tags[base + place]


@kernel
def _walked(keys, weights, at, tags, base, size, place, salt, step, found):  # type: ignore[no-untyped-def]
    """Compare units from here on in one direction. `found`: the weight that agrees, and the last places that do, on either side."""
    length = len(keys)
    weight = 0
    last_at, last_place = at - step, place - step
    while 0 <= at < length and 0 <= place < size:
        if _agree(keys, at, tags, base, place, salt):
            weight += weights[at]
            last_at, last_place = at, place
            at += step
            place += step
            continue
        # The nearest place where two in a row agree again: as many left out on both sides first.
        bridged = False
        for gap in range(1, GAP + 1):
            for less in range(gap + 1):
                for side in range(2 if less else 1):
                    left = gap - less if side else gap
                    right = gap if side else gap - less
                    here, there = at + step * left, place + step * right
                    if (
                        0 <= here + step < length and 0 <= here < length and 0 <= there + step < size and 0 <= there < size
                        and _agree(keys, here, tags, base, there, salt)
                        and _agree(keys, here + step, tags, base, there + step, salt)
                    ):  # fmt: skip
                        at, place, bridged = here, there, True
                        break
                if bridged:
                    break
            if bridged:
                break
        if not bridged:
            break
    found[0] = weight
    found[1] = last_at
    found[2] = last_place


@kernel
def _aligned(keys, weights, seed_starts, seed_places, rows_tags, rows_units, rows_digest, tags, secret, least, out, evidence):  # type: ignore[no-untyped-def]  # noqa: C901, PLR0912
    """Follow each seed; write the passages found, in the order in which their seeds begin; their number."""
    found = np.zeros(3, np.int64)
    count = 0
    oldest = 0  # no match before this one reaches as far as the seeds that are left
    for number in range(len(seed_starts)):
        at = np.int64(seed_starts[number])
        packed = seed_places[number]
        row = np.int64((packed >> _16) & _ROW_BITS)
        place = np.int64(packed & _POSITION)
        shared = np.int64(packed >> np.uint64(48))
        bits = 0
        while shared > 0:
            bits += 1
            shared >>= 1
        worth = 1.0 / bits
        while oldest < count and out[oldest, 2] <= at:
            oldest += 1
        claims = 0
        claimed = False
        for earlier in range(max(oldest, count - 64), count):
            if out[earlier, 2] > at:
                claims += 1
                if out[earlier, 0] == row:
                    evidence[earlier] += worth
                    claimed = True
                    break
        if claimed or claims >= _AT_ONCE:
            continue
        base, size = np.int64(rows_tags[row]), np.int64(rows_units[row])
        salt = mixed(rows_digest[row] ^ secret)
        behind, seen = at, 0
        while behind < len(keys) and seen < WORDS * PER_WORD:
            seen += weights[behind]
            behind += 1
        agreeing = 0
        for beside in range(1, _NEAR + 1):
            if at >= beside and place >= beside and _agree(keys, at - beside, tags, base, place - beside, salt):
                agreeing += 1
            ahead = behind + beside - 1
            there = place + ahead - at
            if ahead < len(keys) and there < size and _agree(keys, ahead, tags, base, there, salt):
                agreeing += 1
        if agreeing < _AGREE:
            continue
        _walked(keys, weights, at, tags, base, size, place, salt, 1, found)
        weight, end, known_end = found[0], found[1] + 1, found[2] + 1
        _walked(keys, weights, at - 1, tags, base, size, place - 1, salt, -1, found)
        weight += found[0]
        if weight < least:
            continue
        if count == len(out):
            break
        out[count, 0], out[count, 1], out[count, 2] = row, found[1], end
        out[count, 3], out[count, 4], out[count, 5] = found[2], known_end, weight
        evidence[count] = worth
        count += 1
    return count


def matches(given: Units, prints: tuple[Array, Array], index: Index, mix: Mix, most: int = 4096) -> list[Match]:
    """The passages that units share with an index; `prints` are the shingles of these units under the mix of the index."""
    hashes, starts = prints
    passed = np.empty(len(hashes), np.int32)
    bloom = index["bloom"]
    count = _sifted(hashes, bloom, passed) if len(bloom) and len(hashes) else 0
    if count == 0:
        return []
    prefix = index["prefix"]
    shift = np.uint64(64 - (len(prefix) - 1).bit_length() + 1)
    seed_starts, seed_places = np.empty(count * 8, np.int32), np.empty(count * 8, np.uint64)
    count = _looked_up(hashes, starts, passed[:count], prefix, shift, index["hashes"], index["places"], seed_starts, seed_places)
    if count == 0:
        return []
    rows = index.columns
    out, evidence = np.empty((min(count, most), _COLUMNS), np.int64), np.zeros(min(count, most))
    count = _aligned(
        given.keys, given.weights, seed_starts[:count], seed_places[:count], *rows, index["tags"], mix.numbers[4], _LEAST, out, evidence
    )
    return [Match(*row, worth) for row, worth in zip(out[:count].tolist(), evidence[:count].tolist(), strict=True)]


def exact_digest(read: Tokens, first: int, last: int, mix: Mix) -> int:
    """A hash of the words and numbers from token `first` to token `last`."""
    keys, kinds = read.keys[first : last + 1], read.kinds[first : last + 1]
    return int(digested(keys[kinds != MARK], mix.numbers))
