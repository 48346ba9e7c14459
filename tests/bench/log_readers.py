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
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml
from corpus import shared_rows
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


def main(misses: bool) -> None:
    rows = [row for row in shared_rows("signatures/positives.jsonl.zst") if row["kind"] in _KINDS]
    understood: dict[str, list[bool]] = defaultdict(list)
    providers: dict[str, list[bool]] = defaultdict(list)
    together: dict[str, list[bool]] = defaultdict(list)
    wrapped: dict[str, list[bool]] = defaultdict(list)
    causes: Counter[str] = Counter()
    without = cut = 0
    size, began = 0, time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "recording.log")
        for row in rows:
            path.write_bytes(row["text"].encode())
            references, report, problem = _read(str(path))
            size += len(row["text"])
            group = "disguised (derived from recordings)" if row["derived"] else row["provider"]
            ok = report.understood > 0 and not problem
            for name in (group, "all but the disguised") if not row["derived"] else (group,):
                understood[name].append(ok)
            without += ok and not references
            cut += report.cut > 0
            if not ok:
                cause = problem or "; ".join(trouble.message for trouble in report.troubles[:1])
                causes[f"{group}: {cause[:150]}"] += 1
                if misses:
                    print(f"missed {row['id']} {row['provider']} {row['form']}: {cause}")
            if references and not row["derived"]:
                told = references[0].provider
                right = told == row["provider"] or any({told, row["provider"]} <= same for same in _SAME)
                kin = "by a server of models of others" if row["provider"] in _GATEWAYS else "by the maker of the model"
                providers[f"provider told right, {kin}"].append(right)
                if row["host"] and "." in row["host"] and not row["host"][0].isdigit():
                    providers[f"provider told right, host known, {kin}"].append(_with_host(path, row))
            if references and not row["derived"]:
                for name, wrap in _ENVELOPES.items():
                    path.write_bytes(wrap(row["text"]))
                    inside, _, _ = _read(str(path))
                    same = [each.text for each in inside] == [each.text for each in references]
                    wrapped[name].append(same)
                    if misses and not same:
                        print(f"not the same in {name}: {row['id']} {row['provider']} {row['form']}")
                path.write_bytes(row["text"].encode())
            if references and row["kind"] != "payload-json" and not row["derived"]:
                whole = _is_together(row["text"], references)
                together["streams put together"].append(whole)
                if misses and not whole:
                    print(f"not together {row['id']} {row['provider']}")
    seconds = time.process_time() - began
    print_rates("understood, by provider", dict(sorted(understood.items(), key=lambda each: (sum(each[1]) / len(each[1]), each[0]))))
    print(f"of these, without a word of a model: {without:,}; cut off: {cut:,}")
    print_rates("streams", together)
    print_rates("the same texts out of envelopes", wrapped)
    print_rates("providers", dict(sorted(providers.items())))
    print(f"{len(rows):,} recordings, {size / 1e6:.1f} MB, {seconds:.1f} s of CPU time with a file for each")
    print("causes of misses")
    for cause, count in causes.most_common():
        print(f"  {count:4} {cause}")


def _read(path: str) -> tuple[list[Reference], Report, str]:
    reading = read(path, Options())
    references: list[Reference] = []
    try:
        references.extend(reading)
    except DecontamError as error:
        return references, reading.report, str(error).partition(": ")[2]
    return references, reading.report, ""


def _with_host(path: Path, row: dict[str, Any]) -> bool:
    """Whether the provider is right where a gateway logs the host that it asked."""
    path.write_bytes(orjson.dumps({"url": f"https://{row['host']}/v1", "response": row["text"]}))
    references, _, _ = _read(str(path))
    told = references[0].provider if references else None
    return told == row["provider"] or any({told, row["provider"]} <= same for same in _SAME)


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
