"""Shingles: short runs of words of a text as keyed 64-bit fingerprints, such as stay the same when the text is masked.

What masking touches is not read: numbers, signs, placeholders, brands (`packs/_shared/masks.yaml`); what is left are the
units. A shingle is WORDS words in a row, or as many characters as make up for them where a script has no spaces.

Of all shingles those are taken whose least unit, in an order that the key decides, is their first or their last. Which
those are depends on nothing around the shingle, so both sides take the same, whatever happened beside it; and any RUN words
in a row hold one: where the least of them stands in the first half, a shingle begins with it, else one ends with it.
(The closed syncmers of Edgar, PeerJ 9:e10805, 2021, over words.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import yaml

from decontam import tokens
from decontam.kernels import kernel
from decontam.keys import Key
from decontam.tokens import CAPITALS, MARK, NUMBER, Tokens, key_of, mixed, tokenised

WORDS = 4
"""Words in a shingle."""

RUN = 2 * WORDS - 2
"""Any so many words in a row that two texts share have a shingle in common that is looked for."""

_WORD, _SINGLE = 8, 5  # what a word and a character weigh
_FULL = WORDS * _WORD  # what a shingle weighs: 5 words, 8 characters, or some of either
PER_WORD = _WORD
"""The weight of a word; a character of a script without spaces weighs less."""

LONGEST = -(-_FULL // _SINGLE)
"""Units in a shingle, at most."""

_REACH = 8  # tokens between the brackets of a placeholder
_SLOTS = 1 << 12
_FILTER = 1 << 10  # words of 64 bits
_SKIP, _LABEL, _OPENS, _CLOSES, _PHRASE = 1, 2, 4, 8, 16
_0, _1, _6, _32, _63 = np.uint64(0), np.uint64(1), np.uint64(6), np.uint64(32), np.uint64(63)
_SLOT_BITS, _FILTER_BITS = np.uint64(_SLOTS - 1), np.uint64(_FILTER - 1)
_MASKS = files("decontam") / "packs" / "_shared" / "masks.yaml"

Array = np.ndarray[Any, Any]


class Units(NamedTuple):
    """The words and characters of a text that count: `keys` (uint64), `weights` (uint8), and which token each is (int32)."""

    keys: Array
    weights: Array
    places: Array


class Mix(NamedTuple):
    """What a key makes of fingerprints. `id` tells keys apart and says nothing of them; None is the mix without a key."""

    id: str | None
    numbers: Array
    """uint64: the multiplier of the order, the base of the polynomial, two more to hide it behind, one for tags."""
    powers: Array
    """The base to the power of 0, 1, ..."""


def mix_of(key: Key | None) -> Mix:
    """The mix of a key, or the one that everybody has."""
    secret = hashlib.sha256(b"decontam known texts").digest() if key is None else key.digest("decontam known texts")
    numbers = np.frombuffer(hashlib.shake_256(secret).digest(40), "<u8").astype(np.uint64)
    numbers[:2] |= _1  # odd, so that nothing is lost by multiplying
    base, power, powers = int(numbers[1]), 1, []
    for _ in range(LONGEST + 1):
        powers.append(power)
        power = power * base % (1 << 64)
    return Mix(key.id if key else None, numbers, np.array(powers, np.uint64))


class _Masks(NamedTuple):
    bits: Array
    slots: Array
    classes: Array
    phrases: Array
    """Keys of all phrases, each ended by 0."""
    first: Array
    """By slot: where the phrases that begin with this key do; they follow each other, the longest first, and end with a 0 more."""


def normaliser() -> str:
    """A digest of all that decides which shingles a text has, its key apart."""
    parts = (_MASKS.read_bytes(), repr((tokens.READING, WORDS, _WORD, _SINGLE, _REACH, 2)).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@lru_cache(maxsize=1)
def _masks() -> _Masks:
    given = yaml.safe_load(_MASKS.read_text("utf-8"))
    classes: dict[int, int] = {}
    phrases: dict[int, list[list[int]]] = {}
    for text in [*given["placeholders"], *given["brands"]]:
        keys = tokenised(str(text).encode()).keys.tolist()
        if len(keys) == 1:
            classes[keys[0]] = classes.get(keys[0], 0) | _SKIP
        else:
            phrases.setdefault(keys[0], []).append(keys)
    for text in given["labels"]:
        for key in tokenised(str(text).encode()).keys.tolist():
            classes[key] = classes.get(key, 0) | _LABEL
    for signs, kind in (("[<{【〈", _OPENS), ("]>}】〉", _CLOSES)):
        for sign in signs:
            classes[key_of(sign)] = classes.get(key_of(sign), 0) | kind
    flat: list[int] = [0]
    begins: dict[int, int] = {}
    for key in sorted(phrases):
        begins[key] = len(flat)
        classes[key] = classes.get(key, 0) | _PHRASE
        for phrase in sorted(phrases[key], key=lambda keys: (-len(keys), keys)):
            flat += [*phrase, 0]
        flat.append(0)
    bits, slots = np.zeros(_FILTER, np.uint64), np.zeros(_SLOTS, np.uint64)
    kinds, first = np.zeros(_SLOTS, np.uint8), np.zeros(_SLOTS, np.int64)
    for key, kind in classes.items():
        bits[key >> 6 & (_FILTER - 1)] |= np.uint64(1 << (key & 63))
        slot = key >> 16 & (_SLOTS - 1)
        while slots[slot]:
            slot = (slot + 1) & (_SLOTS - 1)
        slots[slot], kinds[slot], first[slot] = key, kind, begins.get(key, 0)
    return _Masks(bits, slots, kinds, np.array(flat, np.uint64), first)


_16 = np.uint64(16)


@kernel
def _slot_of(key, bits, slots):  # type: ignore[no-untyped-def]
    """Where the table holds a key, or -1."""
    if (bits[(key >> _6) & _FILTER_BITS] >> (key & _63)) & _1 == _0:
        return -1
    slot = np.int64((key >> _16) & _SLOT_BITS)
    while slots[slot] != _0:
        if slots[slot] == key:
            return slot
        slot = (slot + 1) & (_SLOTS - 1)
    return -1


@kernel
def _placeholder_end(keys, kinds, at, bits, slots, classes):  # type: ignore[no-untyped-def]
    """The token behind a placeholder in brackets that opens at token `at`; `at` where there is none."""
    named = False
    for place in range(at + 1, min(at + 2 + _REACH, len(keys))):
        kind = kinds[place]
        if kind == NUMBER:
            continue
        slot = _slot_of(keys[place], bits, slots)
        what = 0 if slot < 0 else classes[slot]
        if kind == MARK:
            if what & _CLOSES:
                return place + 1 if named else at
            continue
        if kind != CAPITALS and what & (_LABEL | _SKIP) == 0:
            return at
        named = True
    return at


@kernel
def _phrase_end(keys, at, place, phrases):  # type: ignore[no-untyped-def]
    """The token behind the phrase that stands at token `at`, of those that begin at `place` of the list; `at` where there is none."""
    while phrases[place] != _0:
        length = 0
        same = True
        while phrases[place + length] != _0:
            if same and (at + length >= len(keys) or keys[at + length] != phrases[place + length]):
                same = False
            length += 1
        if same:
            return at + length
        place += length + 1
    return at


@kernel
def _alone(kinds, at):  # type: ignore[no-untyped-def]
    """Whether a word in capitals stands among others that are not."""
    return (at == 0 or kinds[at - 1] != CAPITALS) and (at + 1 == len(kinds) or kinds[at + 1] != CAPITALS)


_UNIT = np.array([1, 1, 1, 0, 0, 1], np.int64)  # by kind of token: whether it counts, and what it weighs
_WEIGHT = np.array([_WORD, _WORD, _WORD, 0, 0, _SINGLE], np.uint8)


@kernel
def _units(keys, kinds, bits, slots, classes, phrases, first, unit_keys, weights, places):  # type: ignore[no-untyped-def]
    count = 0
    at = 0
    size = len(keys)
    while at < size:
        key, kind = keys[at], kinds[at]
        if (bits[(key >> _6) & _FILTER_BITS] >> (key & _63)) & _1 != _0:
            slot = _slot_of(key, bits, slots)
            if slot >= 0:
                what = classes[slot]
                behind = at
                if what & _OPENS:
                    behind = _placeholder_end(keys, kinds, at, bits, slots, classes)
                if what & _PHRASE and behind == at:
                    behind = _phrase_end(keys, at, first[slot], phrases)
                if behind == at and (what & _SKIP or (what & _LABEL and kind == CAPITALS and _alone(kinds, at))):
                    behind = at + 1
                if behind > at:
                    at = behind
                    continue
        unit_keys[count] = key
        weights[count] = _WEIGHT[kind]
        places[count] = at
        count += _UNIT[kind]
        at += 1
    return count


def units(read: Tokens) -> Units:
    """What counts of a text's tokens.

    >>> len(units(tokenised("Ask [NAME] of ChatGPT, 3 times: 张某某".encode())).keys)  # ask, of, times, 张
    4
    """
    masks = _masks()
    most = len(read.keys)
    keys, weights, places = np.empty(most, np.uint64), np.empty(most, np.uint8), np.empty(most, np.int32)
    count = _units(read.keys, read.kinds, *masks, keys, weights, places)
    return Units(keys[:count], weights[:count], places[:count])


def pieces_of(data: bytes) -> Iterator[tuple[Tokens, Units]]:
    """The tokens and units of a text, piece by piece."""
    at = 0
    while at < len(data):
        read = tokenised(data, at)
        yield read, units(read)
        at = read.next


def whole_units(data: bytes) -> tuple[Tokens, Units]:
    """The same in one piece."""
    pieces = list(pieces_of(data))
    if len(pieces) == 1:
        return pieces[0]
    places, passed = [], 0
    for read, given in pieces:
        places.append(given.places + passed)
        passed += len(read.keys)
    columns = [np.concatenate(column) for column in zip(*(read[:4] for read, _ in pieces), strict=True)]
    if not columns:
        read = tokenised(b"")
        return read, units(read)
    keys, weights = (np.concatenate(column) for column in zip(*(given[:2] for _, given in pieces), strict=True))
    return Tokens._make((*columns, len(data))), Units(keys, weights, np.concatenate(places))


@kernel
def shingled(keys, weights, numbers, powers, order, hashes, starts):  # type: ignore[no-untyped-def]
    """Write the fingerprints that are taken, and the unit each begins with; their number. `order` is scratch, as long as `keys`."""
    size = len(keys)
    multiplier, base, before, behind = numbers[0], numbers[1], numbers[2], numbers[3]
    for at in range(size):
        order[at] = keys[at] * multiplier
    count = 0
    state = _0
    end = weight = 0
    for start in range(size):
        while end < size and weight < _FULL:
            state = state * base + keys[end]
            weight += weights[end]
            end += 1
        if weight < _FULL:
            break
        if end - start == 4:  # WORDS words: no loop, no guess
            least = min(order[start + 1], order[start + 2])
            taken = (order[start] <= min(least, order[end - 1])) | (order[end - 1] <= min(least, order[start]))
        else:
            least = order[start]
            for at in range(start + 1, end):
                least = min(least, order[at])
            taken = (order[start] == least) | (order[end - 1] == least)
        hashes[count] = state
        starts[count] = start
        count += taken
        state -= keys[start] * powers[end - start - 1]
        weight -= weights[start]
    for at in range(count):
        hashes[at] = mixed(mixed(hashes[at] ^ before) ^ behind)
    return count


def shingles(given: Units, mix: Mix) -> tuple[Array, Array]:
    """The fingerprints (uint64) of a text that are looked for, in order, and the unit (int32) that each begins with."""
    most = len(given.keys)
    order, hashes, starts = np.empty(most, np.uint64), np.empty(most, np.uint64), np.empty(most, np.int32)
    count = shingled(given.keys, given.weights, mix.numbers, mix.powers, order, hashes, starts)
    return hashes[:count], starts[:count]


_56, _ODD = np.uint64(56), np.uint64(0x9E3779B97F4A7C15)


@kernel
def tag(key, place, salt):  # type: ignore[no-untyped-def]
    """Eight bits of a unit that stands at `place` of the text that `salt` belongs to: enough to tell words in order apart from
    others in order; alone, or without the salt, they tell nothing."""
    return np.uint8(mixed(key ^ (salt + np.uint64(place) * _ODD)) >> _56)


@kernel
def tagged(keys, salt, out):  # type: ignore[no-untyped-def]
    for place in range(len(keys)):
        out[place] = tag(keys[place], place, salt)


@kernel
def digested(keys, numbers):  # type: ignore[no-untyped-def]
    """A keyed hash of units or tokens in a row."""
    state = numbers[4]
    for at in range(len(keys)):
        state = mixed(state ^ keys[at]) + _ODD
    return mixed(state ^ numbers[3])
