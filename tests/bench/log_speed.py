"""How fast logs are read: CPU time of `decontam.logs.read` beside that of parsing the same bytes with json.loads, in one run.

    python tests/bench/log_speed.py [RECORDS]

Answers are texts of ../shared/data/synthetic, or sources of this machine where it is not there.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from corpus import machine_texts, shared_rows

from decontam.logs import read

_LONGEST = 6000  # characters of an answer


def chat(number: int, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "refusal": None}
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
    usage = {"prompt_tokens": 19, "completion_tokens": 240, "total_tokens": 259}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1700000000 + number,
        "model": "gpt-4o",
        "choices": choices,
        "usage": usage,
    }


def streamed(number: int, text: str) -> str:
    about = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1700000000, "model": "gpt-4o"}
    chunks = (
        {**about, "choices": [{"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}]} for word in text[:1500].split(" ")
    )
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


def _entry(number: int, text: str) -> dict[str, Any]:
    request = {"method": "POST", "url": "https://api.openai.com/v1/chat/completions"}
    return {
        "startedDateTime": "2024-09-01T12:00:00Z",
        "request": request,
        "response": {"content": {"text": json.dumps(chat(number, text))}},
    }


def _lines(make: Callable[[int, str], Any], texts: list[str]) -> str:
    return "".join(json.dumps(make(number, text), ensure_ascii=False) + "\n" for number, text in enumerate(texts))


_LOGS: dict[str, Callable[[list[str]], str]] = {
    "answers on lines": lambda texts: _lines(chat, texts),
    "asked and answered on lines": lambda texts: _lines(
        lambda number, text: {
            "ts": 1,
            "request": {"model": "m", "messages": [{"role": "user", "content": text[::-1]}]},
            "response": chat(number, text),
        },
        texts,
    ),
    "bodies as strings (APIM)": lambda texts: _lines(
        lambda number, text: {
            "time": "2024-01-01T00:00:00Z",
            "properties": {"apiId": "a", "backendResponseBody": json.dumps(chat(number, text))},
        },
        texts,
    ),
    "one document (HAR)": lambda texts: json.dumps(
        {"log": {"entries": [_entry(number, text) for number, text in enumerate(texts)]}}, indent=1
    ),
    "streams": lambda texts: "".join(streamed(number, text) for number, text in enumerate(texts[: len(texts) // 10])),
}


def _texts(count: int) -> list[str]:
    def every() -> Iterator[str]:
        yield from (row["text"][:_LONGEST] for row in shared_rows("synthetic/*.jsonl.zst"))
        yield from (text[:_LONGEST] for text in machine_texts())

    return list(islice(every(), count))


def _parsed(content: str) -> None:
    """What any reader does at least: parse all JSON once."""
    if content.startswith("{\n"):
        json.loads(content)
        return
    for line in content.splitlines():
        bare = line.removeprefix("data: ")
        if bare.startswith("{"):
            json.loads(bare)


def main(count: int) -> None:
    texts = _texts(count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.log")
        for name, make in _LOGS.items():
            content = make(texts)
            path.write_text(content, "utf-8", newline="")
            began = time.process_time()
            _parsed(content)
            beside = time.process_time() - began
            began = time.process_time()
            found = sum(1 for _ in read(str(path)))
            taken = time.process_time() - began
            size = path.stat().st_size / 1e6
            speed = f"{size / taken:5.1f} MB/s of CPU time, {taken / beside:.2f}x the time of json.loads"
            print(f"{name:<30} {size:6.1f} MB, {found:,} texts: {speed}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
