"""Chat completions, as OpenAI and all who speak its language write them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, inside, number, objects, text
from decontam.logs.content import said_in

# Keys that but one of those who speak this language adds; what they serve may be a model of anybody's.
_OWN_KEYS = {
    "prompt_filter_results": "azure-openai",
    "x_groq": "groq",
    "sid": "iflytek-spark",
    "time_info": "cerebras",
    "provider": "openrouter",
}
_TEXTS = ("content", "refusal", "reasoning_content", "reasoning", "thinking", "tool_plan")


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    choices = value["choices"]
    if not isinstance(choices, list):
        return None
    messages = [message for choice in objects(choices) if isinstance(message := choice.get("message", choice.get("delta")), dict)]
    empty = all(choice.keys() & {"finish_reason", "content_filter_results"} and "text" not in choice for choice in objects(choices))
    if not messages and not (empty and value.keys() & {"usage", "object", "created"}):
        return None
    said = tuple(said for message in messages for said in said_in(message))
    filtered = any("content_filter_results" in choice for choice in objects(choices))
    keys = [*value, "prompt_filter_results"] if filtered else value
    provider = next((_OWN_KEYS[key] for key in keys if key in _OWN_KEYS), None)
    if value.get("system_fingerprint") == "fp_ollama":
        provider = "ollama"
    return [Call(said, text(value.get("id")), text(value.get("model")), provider, value.get("created"))]


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    choices = value.get("choices")
    if not isinstance(choices, list):
        return None
    kind = value.get("object")
    of_chat = isinstance(kind, str) and kind.endswith(".chunk")
    if of_chat or any(isinstance(choice.get("delta"), dict) for choice in objects(choices)):
        return Chunk(text(value.get("id")) or "")
    return Chunk() if not choices and "prompt_filter_results" in value else None


class _Message:
    """A message of which pieces come in."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = defaultdict(list)
        self._called: dict[Any, list[str]] = defaultdict(list)

    def add(self, delta: dict[str, Any]) -> None:
        for key, piece in delta.items():
            if not piece:
                continue
            if key in _TEXTS:
                self._add_text(key, piece)
            elif key == "tool_calls":
                for call in objects(piece):
                    self._add_call(number(call.get("index")), call.get("function"))
            elif key == "function_call":
                self._add_call(0, piece)
            elif key == "audio" and isinstance(said := inside(piece, "transcript"), str):
                self._texts["transcript"].append(said)

    def _add_text(self, key: str, piece: Any) -> None:
        if isinstance(piece, str):
            self._texts[key].append(piece)
        for block in objects(piece):  # a thought is not said
            said = "thinking" if block.get("type") == "thinking" else key
            self._texts[said] += [each.text for each in said_in({"content": [block]})]

    def _add_call(self, at: int, function: Any) -> None:
        if isinstance(said := inside(function, "arguments"), str):
            self._called[at].append(said)

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {key: "".join(pieces) for key, pieces in self._texts.items()}
        if transcript := message.pop("transcript", None):
            message["audio"] = {"transcript": transcript}
        return {**message, "tool_calls": [{"function": {"arguments": "".join(pieces)}} for pieces in self._called.values()]}


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    messages: dict[Any, _Message] = defaultdict(_Message)
    whole: dict[str, Any] = {}
    for chunk in (*chunks[:3], chunks[-1]):  # the first may not tell anything yet
        whole.update({key: value for key, value in chunk.items() if value not in (None, "", 0)})
    for chunk in chunks:
        for choice in objects(chunk.get("choices")):
            delta = choice.get("delta")
            messages[number(choice.get("index"))].add(
                delta if isinstance(delta, dict) else message if isinstance(message := choice.get("message"), dict) else {}
            )
    return {**whole, "object": "chat.completion", "choices": [{"message": message.whole()} for message in messages.values()]}


_ANSWER = {"index": 0, "message": {"role": "assistant", "content": "Tea needs four minutes."}, "finish_reason": "stop"}
_STREAM = """data: {"id":"c-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o","choices":[{"index":0,"delta":{"role":"assistant","content":"Tea "}}]}

data: {"id":"c-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"needs time."}}]}

data: {"id":"c-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: [DONE]
"""

READER = Reader(
    name="openai-chat",
    about="chat completions of OpenAI and all who speak its language (Azure, Ark, 01.AI, DeepSeek, vLLM ...), whole or streamed",
    source="https://platform.openai.com/docs/api-reference/chat/object; /chat/streaming",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("choices",),),
    examples=(
        Example(
            {"id": "c-1", "object": "chat.completion", "created": 1700000000, "model": "gpt-4o", "choices": [_ANSWER]},
            (Gives("c-1", "Tea needs four minutes.", "openai", "gpt-4o", "2023-11-14T22:13:20Z"),),
        ),
        Example(
            {"id": "0217", "object": "chat.completion", "model": "doubao-pro-32k", "choices": [_ANSWER], "usage": {}},
            (Gives("0217", "Tea needs four minutes.", "volcengine-ark", "doubao-pro-32k"),),
        ),
        Example(
            {"id": "cmpl-7", "object": "chat.completion", "model": "yi-large", "choices": [_ANSWER], "usage": {}},
            (Gives("cmpl-7", "Tea needs four minutes.", "01ai-yi", "yi-large"),),
        ),
        Example(_STREAM, (Gives("c-1", "Tea needs time.", "openai", "gpt-4o", "2023-11-14T22:13:20Z"),)),
        Example(
            {
                "id": "c-2",
                "model": "deepseek-reasoner",
                "choices": [
                    {
                        "message": {
                            "content": "Four.",
                            "reasoning_content": "Two and two, so",
                            "tool_calls": [{"function": {"arguments": '{"note": "sum"}'}}],
                        }
                    },
                    {"message": {"content": "It is four."}},
                ],
            },
            (
                Gives("c-2", "Four.", "deepseek", "deepseek-reasoner"),
                Gives("c-2#1", "Two and two, so", "deepseek", "deepseek-reasoner"),
                Gives("c-2#2", "sum", "deepseek", "deepseek-reasoner"),
                Gives("c-2#3", "It is four.", "deepseek", "deepseek-reasoner"),
            ),
        ),
        # Lines of a gateway with a piece each; of nginx; of an application that logged a dict.
        Example(
            '{"ts": 1, "chunk": {"id": "e4", "choices": [{"delta": {"content": "Too "}}]}}\n'
            '{"ts": 2, "chunk": {"id": "e4", "choices": [{"delta": {"content": "far."}}]}}\n',
            (Gives("e4", "Too far."),),
        ),
        Example(
            r'10.0.0.1 - - [01/Jan/2024:00:00:00 +0000] "POST /v1/chat HTTP/1.1" 200 "{\x22id\x22: \x22e5\x22, \x22choices\x22: [{\x22message\x22: {\x22content\x22: \x22A \x5C\x22bridge\x5C\x22.\x22}}]}"',
            (Gives("e5", 'A "bridge".'),),
        ),
        Example(
            "2024-01-01 INFO got {'id': 'e6', 'choices': [{'message': {'content': \"It's shallow.\", 'refusal': None}}]}\n",
            (Gives("e6", "It's shallow."),),
        ),
    ),
    spares=({"choices": ["A", "B", "C", "D"], "question": "Which?"}, {"choices": {"text": ["A"], "label": ["A"]}}),
)
