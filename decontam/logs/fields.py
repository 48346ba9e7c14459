"""Fields: records whose texts stand in fields that somebody named: benchmarks, and data sets of any kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from decontam.logs.calls import Said, text
from decontam.paths import EACH, steps

Part = Literal["question", "answer", "choices", "passage", "prompt", "response", "text"]


@dataclass(frozen=True)
class Wanted:
    """Fields that make texts of one part.

    `fields` are paths (`decontam.paths`; `*` goes into each value of an object). Each string is a text of its own, or all
    of them are one where `joined`. With `of`, what stands in `fields` picks from the strings there: a number from
    `counts_from` on, a letter, or one of the `labels`.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - pydantic reads it where one is written in YAML

    part: Part
    fields: tuple[str, ...]
    joined: bool = False
    of: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    counts_from: int = 0


@dataclass(frozen=True)
class Shape:
    """How one form of a data set is read: which field holds an id, which fields are texts of which part.

    `columns` names the columns of a CSV file that has no header. `records`: a path to where a record keeps many records.
    """

    wanted: tuple[Wanted, ...]
    id: str | None = None
    columns: tuple[str, ...] = ()
    records: str | None = None


def found(value: Any, path: str) -> Iterator[Any]:
    """Everything that a path leads to; the elements of a list that it ends at.

    >>> list(found({"a": [{"b": 1}, {"b": [2, 3]}]}, "a[*].b")), list(found({"x": {"q": 1}, "y": {"q": 2}}, "*.q"))
    ([1, 2, 3], [1, 2])
    """
    yield from _found(value, steps(path))


def _found(value: Any, way: tuple[str, ...]) -> Iterator[Any]:
    if not way:
        if isinstance(value, list):
            for each in value:
                yield from _found(each, ())
        elif value is not None:
            yield value
    elif way[0] == EACH:
        for each in value if isinstance(value, list) else ():
            yield from _found(each, way[1:])
    elif isinstance(value, dict):
        for each in value.values() if way[0] == "*" else [value[way[0]]] if way[0] in value else ():
            yield from _found(each, way[1:])


def records_in(shape: Shape, value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The records that a record keeps; itself as a rule, and where it is one of those that a document kept."""
    kept = [each for each in found(value, shape.records) if isinstance(each, dict)] if shape.records else []
    yield from kept or [value]


def id_of(shape: Shape, record: dict[str, Any]) -> str | None:
    """The id that a record has."""
    return next((id for each in found(record, shape.id) if (id := text(each))), None) if shape.id else None


def read(shape: Shape, record: dict[str, Any]) -> list[Said]:
    """The texts of a record, each with its part.

    >>> wanted = Wanted("choices", ("A", "B"), joined=True), Wanted("answer", ("answer",), of=("A", "B"))
    >>> [tuple(said) for said in read(Shape(wanted), {"A": "a hen", "B": "a cock", "answer": "B"})]
    [('a hen\\na cock', 'choices'), ('a cock', 'answer')]
    """
    said: list[Said] = []
    for wanted in shape.wanted:
        texts = [_text(each) for path in wanted.fields for each in found(record, path)]
        if wanted.of:
            texts = _picked(texts, wanted, record)
        texts = [each for each in texts if each.strip()]
        if wanted.joined and texts:
            texts = ["\n".join(texts)]
        said += [Said(each, wanted.part) for each in texts]
    return said


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if isinstance(value, (dict, bool)) else str(value)


def _picked(keys: list[str], wanted: Wanted, record: dict[str, Any]) -> list[str]:
    """What the keys pick from the strings that are to be picked from."""
    choices = [_text(each) for path in wanted.of for each in found(record, path)]
    labels = [_text(each) for path in wanted.labels for each in found(record, path)]
    picked = []
    for key in keys:
        bare = key.strip().strip("().")
        if bare in labels:
            at = labels.index(bare)
        elif bare.lstrip("-").isdigit():
            at = int(bare) - wanted.counts_from
        elif len(bare) == 1 and bare.isascii() and bare.isalpha():
            at = ord(bare.upper()) - ord("A")
        else:
            at = -1
        if 0 <= at < len(choices):
            picked.append(choices[at])
    return picked
