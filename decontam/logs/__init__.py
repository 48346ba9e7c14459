"""Logs: what models wrote, out of the logs of gateways and archives as they are, as references.

`read` is all that others need. A format is a module with a `READER`, listed in FORMATS; others come from packages that
register "module:READER" in the entry-point group `decontam.logs`. Every reader carries records and what they give.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal

from decontam.errors import ConfigError, InputError, did_you_mean
from decontam.logs import containers, fields, providers
from decontam.logs.calls import PROMPT, RESPONSE, Call, Reader
from decontam.logs.fields import Shape
from decontam.logs.looks import Looking
from decontam.logs.moments import iso
from decontam.logs.plain import plain_units
from decontam.logs.report import CUT, FOREIGN, Report
from decontam.logs.streams import Asked, Streams, Whole, fits
from decontam.logs.units import BREAK, DONE, MALFORMED, NOISE
from decontam.types import Reference

_NAMES = (
    # What APIs answer, those with the most telling keys first.
    *(
        "openai-responses",
        "openai-chat",
        "openai-completions",
        "openai-assistants",
        "gemini",
        "gemini-interactions",
        "dashscope",
        "qianfan",
    ),
    *("hunyuan", "spark", "minimax", "sensenova", "ollama", "tgi", "bedrock", "cohere", "anthropic", "other-models"),
    # What wraps them, before what would look into anything.
    *("batches", "azure-llm", "azure-apim", "litellm", "helicone", "langsmith", "langfuse", "opentelemetry", "bedrock-log"),
    *("har", "cassette", "replicate", "account-exports"),
    # What has no answer of its own, and what may hold anything.
    *("conversation", "request", "exchange", "without-text"),
)
FORMATS: dict[str, str] = {name: f"decontam.logs.formats.{name.replace('-', '_')}:READER" for name in _NAMES}


@dataclass(frozen=True)
class Options:
    """How logs are read.

    `include`: what the model wrote (`responses`), what it was asked (`prompts`), or both. `shapes`: the fields that hold
    texts; where they are named, no format is looked for and all of them are read. `text`: read the file as plain text, a
    reference for each `line`, `paragraph` or the `file`. `formats`: only these readers. `max_record_bytes` is in bytes of
    one record.
    """

    include: Literal["responses", "prompts", "all"] = "responses"
    shapes: tuple[Shape, ...] = ()
    text: Literal["line", "paragraph", "file"] | None = None
    formats: tuple[str, ...] = ()
    max_record_bytes: int = 64_000_000


@lru_cache(maxsize=8)
def readers(names: tuple[str, ...] = ()) -> tuple[Reader, ...]:
    """The readers of these formats, of all where none is named, in the order in which they are asked. Raises ConfigError."""
    known = {**{point.name: point.value for point in entry_points(group="decontam.logs")}, **FORMATS}
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown log format {name!r}{did_you_mean(name, known)}; known are {', '.join(known)}")
    return tuple(_reader(where) for name, where in known.items() if not names or name in names)


def _reader(where: str) -> Reader:
    module, _, attribute = where.partition(":")
    found: Reader = getattr(import_module(module), attribute)
    return found


class Reading:
    """The references of one file, as they are read; `report` says what became of its records, complete at the end."""

    def __init__(self, path: str, options: Options) -> None:
        self.report = Report(path)
        self._path = path
        self._options = options
        self._references = self._all()

    def __iter__(self) -> Iterator[Reference]:
        return self

    def __next__(self) -> Reference:
        return next(self._references)

    def _all(self) -> Iterator[Reference]:
        options = self._options
        if options.text is not None:
            yield from self._plain(options.text)
        else:
            yield from self._records()
        if not self.report.understood and (self.report.records or self.report.noise):
            raise InputError(self._nothing())

    def _records(self) -> Iterator[Reference]:
        options = self._options
        known = readers(options.formats)
        streams = Streams(Asked(() if options.shapes else (reader for reader in known if reader.chunk)), options.max_record_bytes)
        looking = Looking(known, options.max_record_bytes, prompts=options.include != "responses")
        lists = tuple(dict.fromkeys(path for reader in known for path in reader.lists))
        if options.shapes:
            lists = tuple((shape.records,) for shape in options.shapes if shape.records and shape.records.isidentifier())
        columns = next((list(shape.columns) for shape in options.shapes if shape.columns), None)
        number = -1
        for unit in containers.units(self._path, options.max_record_bytes, lists, self._is_row, columns):
            if unit.problem == NOISE:
                self.report.noise += 1
                continue
            number += unit.problem not in (BREAK, DONE)
            for whole in streams.add(unit, number):
                yield from self._whole(whole, looking)
        for whole in streams.rest():
            yield from self._whole(whole, looking)

    def _is_row(self, names: list[str]) -> bool:
        """Whether rows with these columns are read."""
        shapes = self._options.shapes
        if shapes:
            return any(
                path.partition(".")[0].partition("[")[0] in names for shape in shapes for wanted in shape.wanted for path in wanted.fields
            )
        return any(reader.keys and fits(reader, tuple(names)) for reader in readers(self._options.formats))

    def _whole(self, whole: Whole, looking: Looking) -> Iterator[Reference]:
        report = self.report
        report.records += 1
        unit = whole.unit
        if unit is not None:
            report.trouble(unit.problem, whole.number, whole.start, whole.end, unit.message)
            return
        try:
            calls = self._shaped(whole.value) if self._options.shapes else looking.calls(whole.value)
        except (TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:  # one of a reader; the other records go on
            report.trouble(
                MALFORMED, whole.number, whole.start, whole.end, f"a reader failed ({type(error).__name__}); {_kind(whole.value)}"
            )
            return
        made = list(self._references_of(calls, whole))
        cut = whole.cut or any(call.cut for call in calls)
        if not calls and not whole.cut:
            report.trouble(FOREIGN, whole.number, whole.start, whole.end, f"in no format that is known; {_kind(whole.value)}")
            return
        if whole.cut and not made:
            report.trouble(MALFORMED, whole.number, whole.start, whole.end, "it is cut off before any text")
            return
        report.understood += 1
        report.formats[calls[0].format or "fields"] += 1
        report.references += len(made)
        report.without_text += not made
        if cut:
            report.trouble(CUT, whole.number, whole.start, whole.end, "it is cut off; its text was read as far as it goes")
        yield from made

    def _shaped(self, value: Any) -> list[Call]:
        """The first shape that finds anything."""
        for shape in self._options.shapes:
            records = list(fields.records_in(shape, value)) if isinstance(value, dict) else []
            calls = [Call(tuple(said), fields.id_of(shape, record)) for record in records if (said := fields.read(shape, record))]
            if calls:
                return calls
        return []

    def _references_of(self, calls: list[Call], whole: Whole) -> Iterator[Reference]:
        used: dict[str, int] = {}
        told: set[tuple[str, str]] = set()  # some records hold an answer twice, as it came and as it was read
        include = "all" if self._options.shapes else self._options.include
        for call in calls:
            id = call.id or f"{self._path}:{whole.number}"
            provider = providers.by_host(call.host) or call.provider or providers.by_model(call.model)
            time = iso(call.time)
            for said in call.said:
                if (
                    not said.text.strip()
                    or (include == "responses" and said.part == PROMPT)
                    or (include == "prompts" and said.part == RESPONSE)
                ):
                    continue
                if (said.part, said.text) in told:
                    continue
                told.add((said.part, said.text))
                again = used.get(id, 0)
                used[id] = again + 1
                name = f"{id}#{again}" if again else id
                yield Reference(name, said.text, self._path, whole.start, whole.end, said.part, provider, call.model, time)

    def _plain(self, by: str) -> Iterator[Reference]:
        report = self.report
        for number, (text, start, end) in enumerate(plain_units(self._path, by, self._options.max_record_bytes)):
            report.records += 1
            report.understood += 1
            report.references += 1
            report.formats["text"] += 1
            yield Reference(f"{self._path}:{number}", text, self._path, start, end, "text")

    def _nothing(self) -> str:
        """Why a file of which nothing was understood is an error, and what to do."""
        report = self.report
        first = f"; record {report.troubles[0].number}: {report.troubles[0].message}" if report.troubles else ""
        if self._options.shapes:
            wanted = ", ".join(sorted({repr(path) for shape in self._options.shapes for each in shape.wanted for path in each.fields}))
            return f"{self._path}: none of {report.records:,} records has a text in {wanted}{first}; name the fields that it has"
        known = ", ".join(reader.name for reader in readers(self._options.formats))
        size = f"{report.records:,} records" if report.records else f"{report.noise:,} lines without a record"
        what = "name the fields that hold its texts, or read it as text"
        return f"{self._path}: nothing in it is a log that can be read ({size}{first}); known are {known}; {what}"


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object of {', '.join(map(repr, list(value)[:8]))}" if value else "an empty object"
    return "a list" if isinstance(value, list) else "no object"


def read(path: str, options: Options | None = None) -> Reading:
    """The references that a log gives, one after the other, in memory for a few records.

    `path` is a file or URL, compressed or not. What could not be read is in `report` of what is returned, never silent and
    never in the way of the rest. Raises, on the way, ShardError where the file is truncated, damaged or not there, InputError
    where nothing in it was understood, ConfigError for an unknown format.
    """
    return Reading(path, options or Options())
