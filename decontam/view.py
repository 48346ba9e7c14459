"""View: one text as the stages see it; its UTF-8 bytes are made once, its folded form only when something asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from decontam.folding import Folded, fold
from decontam.types import Field

T = TypeVar("T")


def encode(text: str) -> bytes:
    """UTF-8 for the engines, which need it valid: a lone surrogate becomes `?`, so that offsets stay right."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def character_offsets(data: bytes, offsets: Iterable[int]) -> dict[int, int]:
    """Byte offsets into UTF-8 `data` -> character offsets, in one pass however many there are.

    >>> character_offsets("né!".encode(), [0, 1, 3, 4])
    {0: 0, 1: 1, 3: 2, 4: 3}
    """
    characters: dict[int, int] = {}
    at = count = 0
    for offset in sorted(set(offsets)):
        count += len(data[at:offset].decode("utf-8", "ignore"))
        characters[offset] = count
        at = offset
    return characters


class View:
    """One field of a record, ready to be inspected. Everything dear is computed at most once.

    `language` is what the record itself says it is in, as it says it.
    """

    __slots__ = ("_data", "_folded", "_memo", "field", "language", "text")

    def __init__(self, field: Field, language: str | None = None) -> None:
        self.field = field
        self.language = language
        self.text = field.text
        self._data: bytes | None = None
        self._folded: Folded | None = None
        self._memo: dict[Any, Any] = {}

    @classmethod
    def of(cls, text: str, path: str = "text", role: str | None = None) -> View:
        return cls(Field(path, text, role))

    @property
    def data(self) -> bytes:
        """The text in UTF-8."""
        if self._data is None:
            self._data = encode(self.text)
        return self._data

    @property
    def folded(self) -> Folded:
        """The text behind its disguises; see `decontam.folding`."""
        if self._folded is None:
            self._folded = fold(self.text)
        return self._folded

    def once(self, key: Any, compute: Callable[[View], T]) -> T:
        """`compute(self)`, remembered under `key`: how stages that share one scan share its result."""
        if key not in self._memo:
            self._memo[key] = compute(self)
        result: T = self._memo[key]
        return result
