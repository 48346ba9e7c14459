"""Surrogates: values that look like those they stand for, and are nobody's.

Addresses come from what RFCs and numbering plans keep for documentation and fiction; numbers with a check keep their
shape and fail the check. What is known by its shape alone has no surrogate: another one would be as real.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from decontam.keys import Key
from decontam.validators import valid

Checks = Sequence[Sequence[str]]
"""For each rule of a kind the validators that it asks, all of which a value must please."""

_TRIES = 64
_CONSONANTS, _VOWELS = "bdfgklmnprst", "aeiou"


def surrogate(kind: str, value: str, like: str, key: Key, checks: Checks) -> str | None:
    """What stands for a normalised `value`, written `like` it stood in the text; None where nothing can.

    A function of its arguments; it pleases the validators of no rule.
    """
    made = _FORMS.get(kind)
    if made is None and (not checks or not all(checks)):
        return None
    for number in range(_TRIES):
        candidate = (made or _same_shape)(like, _draws(key, kind, value, number))
        if candidate != like and not any(rule and all(valid(check, candidate) for check in rule) for rule in checks):
            return candidate
    return None


Draw = Callable[[int], int]


def _draws(key: Key, kind: str, value: str, number: int) -> Draw:
    """Numbers below what is asked for, one after the other."""

    def stream() -> Iterator[int]:
        for block in count():
            digest = key.digest("surrogate", kind, value, str(number), str(block))
            yield from (int.from_bytes(digest[at : at + 4], "big") for at in range(0, len(digest), 4))

    numbers = stream()
    return lambda below: next(numbers) % below


def _same_shape(like: str, draw: Draw) -> str:
    """Other digits and letters. A zero in front stays one, and nothing else becomes one."""
    made: list[str] = []
    first = True
    for character in like:
        if character.isdecimal():
            made.append("0" if first and character == "0" else str(1 + draw(9) if first else draw(10)))
        elif character.isalpha():
            made.append((string.ascii_lowercase if character.islower() else string.ascii_uppercase)[draw(26)])
        else:
            made.append("?" if "\ud800" <= character <= "\udfff" else character)
            continue
        first = False
    return "".join(made)


def _card(like: str, draw: Draw) -> str:
    """A number of the same issuer."""
    at = next(at for at, character in enumerate(like) if character.isdecimal()) + 1
    return like[:at] + _same_shape("1" + like[at:], draw)[1:]


def _iban(like: str, draw: Draw) -> str:
    """An account in the same country, with check digits that no account has."""
    rest = _same_shape("1" + like[4:], draw)[1:]
    return like[:2] + f"0{draw(2)}" + rest


def _email(_: str, draw: Draw) -> str:
    """A name that can be spoken, at a domain of RFC 2606."""
    name = "".join((_CONSONANTS, _VOWELS)[at % 2][draw((12, 5)[at % 2])] for at in range(5 + draw(5)))
    return f"{name}@example.{('com', 'org', 'net')[draw(3)]}"


def _phone(like: str, draw: Draw) -> str:
    """The shape of a number that ends in 555-01xx, which the North American plan keeps for fiction."""
    number, extension, rest = re.fullmatch(r"([^xe]*)([xe]\D*)?(.*)", like, re.DOTALL).groups(default="")  # type: ignore[union-attr]
    digits = [character for character in number if character.isdecimal()]
    if len(digits) < 7:
        return like
    zeros = len(digits) - len("".join(digits).lstrip("0"))
    head = [str(draw(10)) for _ in digits[:-7]]
    head[:zeros] = ["0"] * min(zeros, len(head))
    if zeros < len(head):
        head[zeros] = str(2 + draw(8))
    made = iter([*head, *"55501", str(draw(10)), str(draw(10))])
    written = "".join(next(made) if character.isdecimal() else character for character in number)
    return written + extension + "".join(str(draw(10)) if character.isdecimal() else character for character in rest)


def _ip(like: str, draw: Draw) -> str:
    """An address of RFC 5737 or RFC 3849."""
    if ":" in like:
        return f"2001:db8:{draw(1 << 16):x}:{draw(1 << 16):x}::{1 + draw((1 << 16) - 1):x}"
    return f"{('192.0.2', '198.51.100', '203.0.113')[draw(3)]}.{1 + draw(254)}"


def _mac(like: str, draw: Draw) -> str:
    """A group address of RFC 7042, section 2.1.2: no device has one."""
    made = iter(f"01005e9010{draw(256):02x}")
    upper = like.upper() == like
    plain = "".join(next(made, character) if character in string.hexdigits else character for character in like)
    return plain.upper() if upper else plain


def _ssn(like: str, draw: Draw) -> str:
    """Area 666, which the Social Security Administration never gave out."""
    at = iter("666")
    return "".join(next(at, character) if character.isdecimal() else character for character in _same_shape(like, draw))


_FORMS: dict[str, Callable[[str, Draw], str]] = {
    "EMAIL": _email,
    "PHONE": _phone,
    "IP": _ip,
    "MAC": _mac,
    "CREDIT_CARD": _card,
    "IBAN": _iban,
    "US_SSN": _ssn,
    "US_ITIN": _ssn,
}
