"""A rule against its own examples. `decontam rules test` and pytest ask the same `failures(rule)`.

An example marks what must be found as ⟦...⟧, and asks for made-up parts as %{...}: what looks like a secret or an
identity number is never written into a pack, it is filled in, the same in every run.

    %{alnum*29}                         29 letters and digits
    %{'4' digit*15 ? card}              16 digits, the first a 4, that the validator `card` accepts
    %{'ghp_' alnum*36 ? crc32_base62}   a fill-in that has to be searched for is drawn until the validator says yes
"""

from __future__ import annotations

import random
import re
import string
import time
from collections.abc import Iterator
from functools import lru_cache

from decontam.errors import RuleError, did_you_mean
from decontam.rules import Rule
from decontam.scan import Scanner
from decontam.types import Span
from decontam.validators import valid
from decontam.view import View

COMPILE_BUDGET = 2.0
"""Seconds of CPU time that one rule may take to compile."""

_DRAWS = 100_000
_CLASSES = {
    "digit": string.digits,
    "nonzero": string.digits[1:],
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "alpha": string.ascii_letters,
    "alnum": string.ascii_letters + string.digits,
    "loweralnum": string.ascii_lowercase + string.digits,
    "upperalnum": string.ascii_uppercase + string.digits,
    "hex": string.digits + "abcdef",
    "HEX": string.digits + "ABCDEF",
    "base32": string.ascii_uppercase + "234567",
    "base58": "".join(c for c in string.digits + string.ascii_letters if c not in "0OIl"),
    "base64": string.ascii_letters + string.digits + "+/",
    "base64url": string.ascii_letters + string.digits + "-_",
}
_FILL_IN = re.compile(r"%\{([^{}]*)\}")
_PART = re.compile(r"'([^']*)'|(\w+)(?:\*(\d+))?")
_OPEN, _CLOSE = "⟦", "⟧"


def _parts(recipe: str, where: str) -> list[tuple[str, int]]:
    """(alphabet, count) for each part of a fill-in; a literal is an alphabet of one, once."""
    parts = []
    for literal, name, count in _PART.findall(recipe):
        if not name:
            parts += [(character, 1) for character in literal]
        elif name in _CLASSES:
            parts.append((_CLASSES[name], int(count or 1)))
        else:
            raise RuleError(f"{where}: unknown fill-in {name!r}{did_you_mean(name, _CLASSES)}; known: {', '.join(_CLASSES)}")
    return parts


def fill_in(example: str, seed: str) -> str:
    """`example` with its fill-ins made up; the same for the same seed. Raises RuleError.

    >>> fill_in("%{'ab' digit*3}", "x") == fill_in("%{'ab' digit*3}", "x")
    True
    """
    source = random.Random(seed)

    def draw(match: re.Match[str]) -> str:
        recipe, _, validator = match.group(1).partition("?")
        parts = _parts(recipe, seed)
        validator = validator.strip()
        for _ in range(_DRAWS):
            made = "".join("".join(source.choices(alphabet, k=count)) for alphabet, count in parts)
            if not validator or valid(validator, made):
                return made
        raise RuleError(f"{seed}: none of {_DRAWS} draws of %{{{match.group(1)}}} pleased {validator!r}; fix more of it")

    return _FILL_IN.sub(draw, example)


@lru_cache(maxsize=16384)
def example(written: str, seed: str) -> tuple[str, tuple[Span, ...]]:
    """The text of an example, and the spans that it marks.

    >>> example("an ⟦id⟧!", "x")
    ('an id!', (Span(start=3, end=5),))
    """
    text = ""
    spans = []
    for piece in re.split(f"({_OPEN}[^{_OPEN}{_CLOSE}]*{_CLOSE})", fill_in(written, seed)):
        marked = piece.startswith(_OPEN)
        plain = piece[1:-1] if marked else piece
        if marked:
            spans.append(Span(len(text), len(text) + len(plain)))
        text += plain
    return text, tuple(spans)


def examples(rule: Rule) -> Iterator[tuple[str, str, tuple[Span, ...]]]:
    """("catches" | "spares" | "known_misses", text, marked spans) for all examples of a rule."""
    for part in ("catches", "spares", "known_misses"):
        for number, written in enumerate(getattr(rule, part)):
            yield part, *example(written, f"{rule.id}:{part}:{number}")


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 90 else text[:87] + "...")


def failures(rule: Rule) -> Iterator[str]:
    """A sentence for each way in which the rule betrays its examples; nothing where it keeps its word."""
    started = time.process_time()
    scanner = Scanner((rule,))
    spent = time.process_time() - started
    if spent > COMPILE_BUDGET:
        allowed = f"{COMPILE_BUDGET:.0f} s are allowed; make its repeats shorter or use 'within'"
        yield f"{rule.name}: took {spent:.1f} s to compile, {allowed}"
    for part, text, marked in examples(rule):
        found = tuple(match.span for match in scanner.find(View.of(text, role=rule.role)))
        if part == "catches":
            if not marked:
                yield f"{rule.name}: marks nothing in {_excerpt(text)}; put ⟦...⟧ around what must be found"
            elif found != marked:
                seen = [text[start:end] for start, end in found]
                yield f"{rule.name}: in {_excerpt(text)} finds {seen}, not {[text[start:end] for start, end in marked]}"
        elif part == "spares" and found:
            yield f"{rule.name}: must spare {_excerpt(text)}, but finds {[text[start:end] for start, end in found]}"
        elif part == "known_misses" and found:
            yield f"{rule.name}: now catches the known miss {_excerpt(text)}; move it to 'catches'"
