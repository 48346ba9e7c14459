"""Calls: what a record of a log tells of one request to a model, and what a reader of such records is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

RESPONSE = "response"
PROMPT = "prompt"


class Said(NamedTuple):
    """A text, and who wrote it: the model (`response`) or those who asked it (`prompt`)."""

    text: str
    part: str = RESPONSE


class Call(NamedTuple):
    """One request to a model and what came back, as far as a record tells.

    `time` is as it stands there: a number of seconds to nanoseconds since 1970, or text. `cut`: the end is missing.
    """

    said: tuple[Said, ...] = ()
    id: str | None = None
    model: str | None = None
    provider: str | None = None
    time: Any = None
    host: str | None = None
    cut: bool = False
    format: str = ""

    def within(self, outer: Call) -> Call:
        """The call with what it does not tell itself taken from the record around it."""
        return self._replace(
            id=self.id or outer.id,
            model=self.model or outer.model,
            provider=self.provider or outer.provider,
            time=outer.time if self.time in (None, "", 0) else self.time,
            host=self.host or outer.host,
            cut=self.cut or outer.cut,
            format=outer.format or self.format,
        )


class Chunk(NamedTuple):
    """What tells a piece of a stream: the id of its stream, where it has one; whether it begins or ends it."""

    stream: str = ""
    first: bool = False
    last: bool = False


class Look(Protocol):
    """What readers ask about values inside a record that may be somebody else's format."""

    prompts: bool
    """Whether anybody wants prompts."""

    def calls(self, value: Any) -> list[Call]:
        """All calls that a value holds, be it an object, a list, or text that holds JSON or a stream."""

    def answers(self, value: Any) -> list[Call]:
        """The calls in a value of which it is known that a model wrote it, be it bare text."""

    def asked(self, value: Any) -> tuple[Said, ...]:
        """Everything in a value as prompts; nothing where nobody wants prompts."""


class Gives(NamedTuple):
    """The reference that an example gives. An id of ":0" stands for the file and the record number 0."""

    id: str
    text: str
    provider: str | None = None
    model: str | None = None
    time: str | None = None
    part: str = RESPONSE


class Example(NamedTuple):
    """A record, or the content of a file where it is text, and all references that it gives with prompts included."""

    record: Any
    gives: tuple[Gives, ...] = ()


class Reader(NamedTuple):
    """A format: what its records look like, how they are read, and the proof.

    A record is shown to a reader if it has all keys of one of `keys` (a reader without keys is shown every object).
    `read` says None for what is not its format. Where the format is streamed, `chunk` tells a piece of a stream (and is
    told whether it stands among `events`, in an `array` or on `lines`), `join` makes of all pieces what `read` reads.
    `lists` are paths to where a single document keeps its records.
    """

    name: str
    about: str
    source: str
    read: Callable[[dict[str, Any], Look], Iterable[Call] | None]
    examples: tuple[Example, ...]
    keys: tuple[tuple[str, ...], ...] = ()
    chunk: Callable[[dict[str, Any], str], Chunk | None] | None = None
    join: Callable[[Sequence[dict[str, Any]]], dict[str, Any]] | None = None
    lists: tuple[tuple[str, ...], ...] = ()
    spares: tuple[Any, ...] = ()


def text(value: Any) -> str | None:
    """A value that may be an id or a name: text that is not blank, or a number as text."""
    if isinstance(value, str):
        return value if value.strip() else None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none where it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def number(value: Any) -> int:
    """A value that says which of several pieces it is; 0 where it does not."""
    return value if isinstance(value, int) else 0


def inside(value: Any, *keys: str) -> Any:
    """What stands under the keys, one inside the other; None where there is none.

    >>> inside({"a": {"b": 1}}, "a", "b"), inside({"a": 1}, "a", "b")
    (1, None)
    """
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
