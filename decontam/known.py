"""Known texts: which passages of a text stand in an index, in the same order, however much was masked between them.

Shingles that the index has are seeds. From a seed the words on both sides are compared one by one, gaps bridged, for as far
as they agree; so precision comes from whole passages in order and not from one fingerprint. All of it takes time linear in
the text: a place of the text is looked at for so many references at most, a seed that leads nowhere costs a constant.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from decontam.indexes import KEPT, Index
from decontam.kernels import kernel
from decontam.shingles import PER_WORD, WORDS, Array, Mix, Units, digested, tag
from decontam.tokens import MARK, Tokens, mixed

GAP = 6
"""Units that may be missing, added or exchanged on either side between two that agree."""

SHORT = 40
"""A text of fewer units is there as a whole only if its numbers are, too."""

_AT_ONCE = 12  # references that may claim one place of a text
_REMEMBERED = 64  # matches that a seed may belong to
_NEAR = 5  # units beside a seed, on either side, of which one must agree before all are compared
_FEW = 2  # places that are followed of a fingerprint that is in more texts than its index lists
_MOST = 4096  # matches in one piece of a text
_FADING = 0.25  # a shingle in 2, 4, 8 ... texts is worth 4/5, 4/6, 4/7 ... of one that is in one
_WORD_WORTH, _CHARACTER_WORTH = 8, 4
_LEAST = 8 * _WORD_WORTH  # what agrees must be worth so much; less is not reported
_COLUMNS = 7
_SPREAD = 0x9E3779B1
_FULL = WORDS * PER_WORD
_16, _48, _32, _12 = np.uint64(16), np.uint64(48), np.uint64(32), np.uint64(12)
_6, _18, _24, _63, _1, _0 = np.uint64(6), np.uint64(18), np.uint64(24), np.uint64(63), np.uint64(1), np.uint64(0)
_COUNTED, _SHORT_TEXT = np.uint64(0x7FFF), np.uint64(1) << np.uint64(63)
_POSITION, _ROW_BITS = np.uint64(0xFFFF), np.uint64(0xFFFFFFFF)


class Match(NamedTuple):
    """A passage of a text that agrees with a passage of a reference; units are counted from 0 and half-open."""

    row: int
    start: int
    end: int
    known_start: int
    known_end: int
    worth: int
    """Of the units that agree: 8 for a word, 4 for a character of a script without spaces."""
    shingles: int
    """Those that are looked for and agree as a whole."""
    evidence: float
    """What these are worth, each at most 1: less where many texts have it, nothing where it is common."""


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
    words = np.empty(len(hashes), np.uint64)
    for at in range(len(hashes)):  # nothing but reading, so that many reads wait for memory at once
        words[at] = bloom[bloom_block(hashes[at], blocks)]
    count = 0
    for at in range(len(hashes)):
        mask = bloom_mask(hashes[at])
        passed[count] = at
        count += 1 if words[at] & mask == mask else 0
    return count


@kernel
def _looked_up(hashes, passed, prefix, shift, table, places, seeds, seed_places, texts):  # type: ignore[no-untyped-def]
    """Write a seed for each place that the index has of each fingerprint that passed, and in how many texts it is; the number of seeds."""
    count = 0
    for number in range(len(passed)):
        print = passed[number]
        hash = hashes[print]
        bucket = hash >> shift
        at, end = prefix[bucket], prefix[bucket + _1]
        while at < end and table[at] < hash:
            at += _1
        few = 0
        while at < end and table[at] == hash:
            texts[print] = (places[at] >> _48) & _COUNTED
            if few < _FEW or texts[print] <= KEPT:
                seeds[count] = print
                seed_places[count] = places[at]
                count += 1
            few += 1
            at += _1
    return count


@kernel
def _agree(keys, at, tags, base, place, salt):  # type: ignore[no-untyped-def]
    return tag(keys[at], place, salt) == tags[base + place]


@kernel
def _worth(keys, weights, at):  # type: ignore[no-untyped-def]
    if (at > 0 and keys[at] == keys[at - 1]) or (at > 1 and keys[at] == keys[at - 2]):
        return 0
    return _WORD_WORTH if weights[at] == PER_WORD else _CHARACTER_WORTH


@kernel
def _walked(keys, weights, at, tags, base, size, place, salt, step, agreed, mark, found):  # type: ignore[no-untyped-def]
    """Compare units from here on in one direction, and note for those that agree with which. `found`: what they are worth, and
    the last places on either side that do."""
    length = len(keys)
    total = 0
    last_at, last_place = at - step, place - step
    while 0 <= at < length and 0 <= place < size:
        if _agree(keys, at, tags, base, place, salt):
            total += _worth(keys, weights, at)
            agreed[at] = mark + place
            last_at, last_place = at, place
            at += step
            place += step
            continue
        # The nearest place where two in a row agree again: as many left out on both sides first.
        bridged = False
        for gap in range(1, GAP + 1):
            for less in range(gap + 1):
                for side in range(2 if less else 1):
                    here = at + step * (gap - less if side else gap)
                    there = place + step * (gap if side else gap - less)
                    if (
                        0 <= here + step < length and 0 <= here < length and 0 <= there + step < size and 0 <= there < size
                        and _agree(keys, here, tags, base, there, salt)
                        and _agree(keys, here + step, tags, base, there + step, salt)
                    ):  # fmt: skip
                        for beside in range(1, gap - less):  # single units between two exchanged ones
                            if _agree(keys, at + step * beside, tags, base, place + step * beside, salt):
                                total += _worth(keys, weights, at + step * beside)
                        at, place, bridged = here, there, True
                        break
                if bridged:
                    break
            if bridged:
                break
        if not bridged:
            break
    found[0] = total
    found[1] = last_at
    found[2] = last_place


@kernel
def _promising(keys, at, behind, tags, base, size, place, salt):  # type: ignore[no-untyped-def]
    """Whether any of the units close to a seed agrees, too: most seeds are phrases that anybody may use."""
    for beside in range(1, _NEAR + 1):
        if at >= beside and place >= beside and _agree(keys, at - beside, tags, base, place - beside, salt):
            return True
        ahead = behind + beside - 1
        there = place + ahead - at
        if ahead < len(keys) and there < size and _agree(keys, ahead, tags, base, there, salt):
            return True
    return False


@kernel
def _behind(weights, start):  # type: ignore[no-untyped-def]
    """The unit behind the shingle that begins with unit `start`."""
    seen = 0
    while start < len(weights) and seen < _FULL:
        seen += weights[start]
        start += 1
    return start


@kernel
def _rarity(starts, weights, texts, first, start, end, agreed, mark, told):  # type: ignore[no-untyped-def]
    """Of the shingles in a passage that agree as a whole, unit after unit: how many there are, and how much they are worth as evidence."""
    while first > 0 and starts[first - 1] >= start:
        first -= 1
    while first < len(starts) and starts[first] < start:
        first += 1
    whole = 0
    evidence = 0.0
    while first < len(starts) and starts[first] < end:
        behind = _behind(weights, starts[first])
        same = behind <= end and agreed[starts[first]] >= mark
        at = starts[first] + 1
        while same and at < behind:
            same = agreed[at] == agreed[at - 1] + 1
            at += 1
        if same:
            whole += 1
            shared = np.int64(texts[first])
            doubled = 0
            while shared > 1:
                doubled += 1
                shared >>= 1
            if shared > 0:
                evidence += 1.0 / (1.0 + doubled * _FADING)
        first += 1
    told[0] = whole
    told[1] = evidence


@kernel
def _counted(seed_places):  # type: ignore[no-untyped-def]
    """How many seeds each row has, by the place of the row in a table; rows that share one are counted together."""
    size = 16
    while size < 4 * len(seed_places):
        size *= 2
    counts = np.zeros(size, np.int32)
    for number in range(len(seed_places)):
        row = np.int64((seed_places[number] >> _16) & _ROW_BITS)
        counts[(row * _SPREAD) & (size - 1)] += 1
    return counts


@kernel
def _aligned(keys, weights, starts, texts, seeds, seed_places, rows_tags, rows_units, rows_digest, tags, secret, out, evidence):  # type: ignore[no-untyped-def]
    """Follow each seed; write the passages found, in the order of their seeds; their number."""
    found, told = np.zeros(3, np.int64), np.zeros(2)
    partners = _counted(seed_places)
    agreed = np.zeros(len(keys), np.int64)  # where in the reference a unit agrees, by match
    count = 0
    oldest = 0  # no match before this one reaches as far as the seeds that are left
    for number in range(len(seeds)):
        at = np.int64(starts[seeds[number]])
        packed = seed_places[number]
        row, place = np.int64((packed >> _16) & _ROW_BITS), np.int64(packed & _POSITION)
        if packed < _SHORT_TEXT and partners[(row * _SPREAD) & (len(partners) - 1)] < 2:
            continue  # nobody who copies a passage leaves one shingle of it
        while oldest < count and out[oldest, 2] <= at:
            oldest += 1
        claims = 0
        for earlier in range(max(oldest, count - _REMEMBERED), count):
            if out[earlier, 2] > at:
                claims += 1
                if out[earlier, 0] == row:
                    claims = _AT_ONCE
                    break
        if claims >= _AT_ONCE:
            continue
        base, size = np.int64(rows_tags[row]), np.int64(rows_units[row])
        salt = mixed(rows_digest[row] ^ secret)
        if not _promising(keys, at, _behind(weights, at), tags, base, size, place, salt):
            continue
        mark = (count + 1) << 20
        _walked(keys, weights, at, tags, base, size, place, salt, 1, agreed, mark, found)
        total, end, known_end = found[0], found[1] + 1, found[2] + 1
        _walked(keys, weights, at - 1, tags, base, size, place - 1, salt, -1, agreed, mark, found)
        total += found[0]
        if total < _LEAST:
            continue
        _rarity(starts, weights, texts, seeds[number], found[1], end, agreed, mark, told)
        out[count, 0], out[count, 1], out[count, 2] = row, found[1], end
        out[count, 3], out[count, 4], out[count, 5] = found[2], known_end, total
        out[count, 6] = np.int64(told[0])
        evidence[count] = told[1]
        count += 1
        if count == len(out):
            break
    return count


def matches(given: Units, prints: tuple[Array, Array], index: Index, mix: Mix) -> list[Match]:
    """The passages that units share with an index; `prints` are the shingles of these units under the mix of the index."""
    hashes, starts = prints
    bloom = index["bloom"]
    if not len(hashes):
        return []
    passed = np.empty(len(hashes), np.int32)
    count = _sifted(hashes, bloom, passed)
    if count == 0:
        return []
    prefix = index["prefix"]
    shift = np.uint64(65 - (len(prefix) - 1).bit_length())
    seeds, seed_places, texts = np.empty(count * KEPT, np.int32), np.empty(count * KEPT, np.uint64), np.zeros(len(hashes), np.uint16)
    count = _looked_up(hashes, passed[:count], prefix, shift, index["hashes"], index["places"], seeds, seed_places, texts)
    if count == 0:
        return []
    out, evidence = np.empty((min(count, _MOST), _COLUMNS), np.int64), np.empty(min(count, _MOST))
    count = _aligned(
        given.keys, given.weights, starts, texts, seeds[:count], seed_places[:count],
        *index.columns, index["tags"], mix.numbers[4], out, evidence,
    )  # fmt: skip
    return [Match._make((*row, told)) for row, told in zip(out[:count].tolist(), evidence[:count].tolist(), strict=True)]


@kernel
def _worths(keys, weights):  # type: ignore[no-untyped-def]
    total = 0
    for at in range(len(keys)):
        total += _worth(keys, weights, at)
    return total


def worth_of(given: Units) -> int:
    """What units count for where texts are compared, in eighths of a word; what repeats one of the two before it counts nothing."""
    return int(_worths(given.keys, given.weights))


def exact_digest(read: Tokens, first: int, last: int, mix: Mix) -> int:
    """A hash of the words and numbers from token `first` to token `last`."""
    keys, kinds = read.keys[first : last + 1], read.kinds[first : last + 1]
    return int(digested(keys[kinds != MARK], mix.numbers))
