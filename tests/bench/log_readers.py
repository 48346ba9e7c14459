"""How many recorded payloads and streams the readers of logs understand, each written as a log of its own.

    python tests/bench/log_readers.py [--misses]

Recordings are those of ../shared/data/signatures/positives.jsonl.zst of kind payload or stream. One counts as understood when it gives
a reference, or when it is known to hold no word of a model (an error, an embedding, a call whose text is empty). A stream counts as
put together when the pieces that its events write, one after another, stand in its references letter for letter (arguments of tools, which
are parsed, left out). The same texts must come out of each recording when it lies in an envelope. Base64 behind `payload=`, as the
disguised recordings have it, is no log, and counted apart.
"""

from __future__ import annotations

import base64
import gzip
import json
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml
from corpus import SHARED, shared_rows
from rates import print_rates

from decontam.errors import DecontamError
from decontam.logs import Options, read
from decontam.logs.report import Report
from decontam.types import Reference

_KINDS = ("payload-json", "stream-sse", "stream-ndjson")
_PIECES = (
    "content",
    "text",
    "delta",
    "thinking",
    "reasoning_content",
    "completion",
    "result",
    "partial_json",
    "arguments",
    "refusal",
    "Content",
)
_INDICES = ("index", "output_index", "content_index", "summary_index")
_NO_PIECES = (
    "message",
    "response",
    "item",
    "part",
    "logprobs",
    "usage",
    "token",
    "annotation",
    "step_details",
    "object",
    "groundingMetadata",
    "citations",
    "tool_calls",
)
_SAME = [{"google-gemini", "google-vertex"}, {"azure-openai", "azure-ai"}, {"huggingface", "huggingface-tgi", "cerebras"}]
# Servers of models of others: their payloads look like anybody's, and only a host can tell.
_GATEWAYS = {
    "local-openai-compatible",
    "portkey",
    "gpustack",
    "together",
    "databricks",
    "openrouter",
    "azure-ai",
    "writer",
    "ollama",
    "huggingface",
}


def _dumped(value: Any, indent: int | None = None) -> bytes:
    return json.dumps(value, indent=indent, ensure_ascii=False).encode()


_ENVELOPES: dict[str, Callable[[str], bytes]] = {
    "a string in a line": lambda text: _dumped({"ts": 1700000000, "resp": {"body": text}}) + b"\n",
    "a string in a string": lambda text: _dumped({"message": json.dumps({"response": text})}) + b"\n",
    "Azure API Management": lambda text: _dumped(
        {"records": [{"time": "2024-01-01T00:00:00Z", "properties": {"apiId": "a", "responseBody": text}}]}
    ),
    "HAR": lambda text: _dumped({"log": {"entries": [{"request": {"url": "x"}, "response": {"content": {"text": text}}}]}}, 2),
    "a cassette, YAML": lambda text: yaml.safe_dump(
        {"interactions": [{"request": {"method": "POST", "uri": "x"}, "response": {"body": {"string": text}}}], "version": 1},
        allow_unicode=True,
    ).encode(),
    "a cassette, base64": lambda text: _dumped(
        {
            "http_interactions": [
                {
                    "request": {"method": "POST", "uri": "x"},
                    "response": {"body": {"base64_string": base64.b64encode(text.encode()).decode()}},
                }
            ]
        }
    ),
    "between lines of a server": lambda text: b"2024-01-01 INFO up\n" + _dumped({"response": text}) + b"\n2024-01-01 INFO down\n",
    "HTTP": lambda text: ("" if text.startswith("HTTP/") else "HTTP/1.1 200 OK\ncontent-type: x\n\n").encode() + text.encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
}


class Told:
    """What was seen of the recordings, by the names under which it is printed."""

    def __init__(self) -> None:
        self.understood: dict[str, list[bool]] = defaultdict(list)
        self.together: dict[str, list[bool]] = defaultdict(list)
        self.wrapped: dict[str, list[bool]] = defaultdict(list)
        self.providers: dict[str, list[bool]] = defaultdict(list)
        self.causes: Counter[str] = Counter()
        self.without = self.cut = 0


def _look(row: dict[str, Any], path: Path, told: Told) -> list[str]:
    """Read one recording in every way; what went wrong in words."""
    path.write_bytes(row["text"].encode())
    references, report, problem = _read(str(path))
    ok = report.understood > 0 and not problem
    told.without += ok and not references
    told.cut += report.cut > 0
    group = "disguised (derived from recordings)" if row["derived"] else row["provider"]
    told.understood[group].append(ok)
    wrong = []
    if not ok:
        cause = problem or "; ".join(trouble.message for trouble in report.troubles[:1])
        told.causes[f"{group}: {cause[:150]}"] += 1
        wrong.append(f"missed: {cause}")
    if row["derived"]:
        return wrong
    told.understood["all but the disguised"].append(ok)
    if references:
        wrong += [*_inside_of_envelopes(row, path, references, told), *_whose(row, path, references, told)]
        if row["kind"] != "payload-json":
            whole = _is_together(row["text"], references)
            told.together["streams put together"].append(whole)
            wrong += [] if whole else ["not together"]
    return wrong


def _inside_of_envelopes(row: dict[str, Any], path: Path, references: list[Reference], told: Told) -> Iterator[str]:
    for name, wrap in _ENVELOPES.items():
        path.write_bytes(wrap(row["text"]))
        inside, _, _ = _read(str(path))
        same = [each.text for each in inside] == [each.text for each in references]
        told.wrapped[name].append(same)
        if not same:
            yield f"not the same in {name}"


def _whose(row: dict[str, Any], path: Path, references: list[Reference], told: Told) -> Iterator[str]:
    kin = "by a server of models of others" if row["provider"] in _GATEWAYS else "by the maker of the model"
    right = _is_kin(references[0].provider, row["provider"])
    told.providers[f"provider told right, {kin}"].append(right)
    if not right:
        yield f"provider {references[0].provider}"
    if row["host"] and "." in row["host"] and not row["host"][0].isdigit():
        path.write_bytes(_dumped({"url": f"https://{row['host']}/v1", "response": row["text"]}))
        inside, _, _ = _read(str(path))
        told.providers[f"provider told right, host known, {kin}"].append(bool(inside) and _is_kin(inside[0].provider, row["provider"]))


def _is_kin(told: str | None, label: str) -> bool:
    return told == label or any({told, label} <= same for same in _SAME)


def main(misses: bool) -> None:
    rows = [row for row in shared_rows("signatures/positives.jsonl.zst") if row["kind"] in _KINDS]
    told = Told()
    with tempfile.TemporaryDirectory() as folder:
        for row in rows:
            for wrong in _look(row, Path(folder, "recording.log"), told):
                if misses:
                    print(f"{row['id']} {row['provider']} {row['form']}: {wrong}")
    print_rates("understood, by provider", dict(sorted(told.understood.items(), key=lambda each: (sum(each[1]) / len(each[1]), each[0]))))
    print(f"of these, without a word of a model: {told.without:,}; cut off: {told.cut:,}")
    print_rates("streams", told.together)
    print_rates("the same texts out of envelopes", told.wrapped)
    print_rates("providers", dict(sorted(told.providers.items())))
    _print_ordinary()
    print("causes of misses")
    for cause, count in told.causes.most_common():
        print(f"  {count:4} {cause}")


def _print_ordinary() -> None:
    """Shards of text, and documents about APIs, read as if they were logs: none of their records is one."""
    records = wrong = refused = 0
    paths = [*SHARED.glob("pii/*.zst"), *SHARED.glob("synthetic/*.zst"), SHARED / "signatures" / "negatives.jsonl.zst"]
    for path in sorted(paths):
        references, report, problem = _read(str(path))
        records += report.records
        wrong += len({reference.id.partition("#")[0] for reference in references})
        refused += bool(problem)
    print(f"ordinary records that gave a text: {wrong:,} of {records:,}; {refused} of {len(paths)} files refused as no logs")


def _read(path: str) -> tuple[list[Reference], Report, str]:
    reading = read(path, Options())
    references: list[Reference] = []
    try:
        references.extend(reading)
    except DecontamError as error:
        return references, reading.report, str(error).partition(": ")[2]
    return references, reading.report, ""


def _pieces(value: Any, group: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Texts that an event writes, by the names that APIs have for them, each with the stream that it is a piece of."""
    if isinstance(value, dict):
        group = (*group, *(value[key] for key in _INDICES if isinstance(value.get(key), int)), value.get("type"), value.get("thought"))
        for key, inner in value.items():
            if key in _PIECES and isinstance(inner, str):
                yield (*group, key), inner
            elif key not in _NO_PIECES:
                yield from _pieces(inner, group)
    elif isinstance(value, list):
        for inner in value:
            yield from _pieces(inner, group)


def _is_together(text: str, references: list[Reference]) -> bool:
    """Whether the pieces of each stream, simply put one after another, stand in a reference."""
    said = _letters("\n".join(reference.text for reference in references))
    streams: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for line in text.splitlines():
        try:
            event = orjson.loads(line.removeprefix("data:"))
        except orjson.JSONDecodeError:
            continue
        if isinstance(event, dict) and not str(event.get("type", "")).endswith((".done", ".added", ".completed")):
            for group, piece in _pieces(event):
                streams[group].append(piece)
    return all(
        _letters("".join(pieces)) in said
        for group, pieces in streams.items()
        if "argument" not in str(group) and group[-1] != "partial_json"
    )


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


if __name__ == "__main__":
    main("--misses" in sys.argv)
