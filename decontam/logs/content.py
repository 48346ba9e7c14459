"""Content: the texts of a message, whichever way its API writes them.

What the model wrote is its text, its reasoning, and the arguments of the tools that it calls; each is a text of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from pydantic_core import from_json

from decontam.logs.calls import PROMPT, RESPONSE, Said, inside, objects

_REASONING = ("reasoning_content", "reasoning", "thinking")  # the first of them that is there: some servers send it twice
_ARGUMENTS = ("arguments", "input", "args", "parameters")
_CALLS = {"tool_use", "server_tool_use", "tool_call", "function_call", "mcp_tool_use", "custom_tool_call"}
_RESULTS = ("tool_result", "tool_call_response", "function_response")


def said_in(message: dict[str, Any], part: str = RESPONSE) -> list[Said]:
    """The texts of a message.

    >>> [said.text for said in said_in({"role": "assistant", "content": "Rain.", "reasoning_content": "Clouds, so"})]
    ['Rain.', 'Clouds, so']
    """
    found = list(said_by(message.get("content"), part))
    if not found and "parts" in message:
        found = list(said_by(message["parts"], part))
    reasoning = next((message[key] for key in _REASONING if message.get(key)), None)
    others = [reasoning, message.get("refusal"), message.get("tool_plan"), _transcript(message.get("audio"))]
    texts = ["".join(said.text for said in said_by(other, part)) for other in others if other]
    calls = [*objects(message.get("tool_calls")), *objects([message.get("function_call")])]
    texts += [arguments(_called(call)) for call in calls]
    return [*found, *(Said(text, part) for text in texts if text)]


def said_by(content: Any, part: str = RESPONSE) -> Iterator[Said]:
    """The texts of content: text, or blocks of text, thought and tool calls. Blocks of text are one text."""
    if isinstance(content, str):
        if content:
            yield Said(content, part)
        return
    blocks = content if isinstance(content, list) else [content]
    texts: list[str] = []
    thoughts: list[str] = []
    called: list[str] = []
    for block in blocks:
        if isinstance(block, str):
            texts.append(block)
        elif isinstance(block, dict):
            _sort(block, part, texts, thoughts, called)
    yield from (Said(text, part) for text in ("".join(texts), "".join(thoughts), *called) if text)


def _sort(block: dict[str, Any], part: str, texts: list[str], thoughts: list[str], called: list[str]) -> None:
    kind = str(block.get("type"))
    if (thought := _thought(block)) is not None:
        thoughts.append(thought)
    elif kind in _CALLS or "toolUse" in block or "functionCall" in block:
        called.append(arguments(_called(block)))
    elif isinstance(cited := block.get("citationsContent"), dict):  # Bedrock's Converse
        texts += [said.text for said in said_by(cited.get("content"))]
    elif "executableCode" in block:
        code = block["executableCode"]
        called.append(code.get("code") or "" if isinstance(code, dict) else "")
    elif kind in _RESULTS or "toolResult" in block or "functionResponse" in block:
        if part == PROMPT:
            texts += leaves(block.get("content") or block.get("toolResult") or block.get("functionResponse") or block.get("response"))
    else:
        texts += _plain(block)


def _plain(block: dict[str, Any]) -> list[str]:
    for key in ("text", "refusal", "content", "transcript"):
        value = block.get(key)
        if isinstance(value, dict):  # {"type": "text", "text": {"value": ...}}, as assistants write it
            value = value.get("value") or value.get("text")
        if isinstance(value, str):
            return [value]
    return []


def _thought(block: dict[str, Any]) -> str | None:
    """The thought in a block; "" where it is a thought that cannot be read; None where it is something else."""
    kind = str(block.get("type"))
    if block.get("thought") is True:
        return "".join(_plain(block))
    if "reasoningContent" in block:  # Bedrock's Converse
        return "".join(leaves(inside(block["reasoningContent"], "reasoningText", "text")))
    if kind in ("thinking", "redacted_thinking", "reasoning", "thought"):
        inner = block.get("thinking") or block.get("summary") or block.get("content") or block.get("text")
        return "".join(said.text for said in said_by(inner)) if inner else ""
    return None


def _transcript(audio: Any) -> Any:
    return audio.get("transcript") if isinstance(audio, dict) else None


def _called(call: dict[str, Any]) -> Any:
    """The arguments of a tool call, parsed or as text."""
    for key in ("function", "toolUse", "functionCall", "custom"):
        if isinstance(call.get(key), dict):
            call = call[key]
            break
    return next((call[key] for key in _ARGUMENTS if call.get(key) is not None), None)


def arguments(raw: Any) -> str:
    r"""The texts among the arguments of a tool call: what a file or a message made of them would say.

    >>> arguments('{"path": "a.py", "lines": 2, "content": "import os\\nprint()"}')
    'a.py\nimport os\nprint()'
    """
    value = raw
    if isinstance(raw, str):
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError:
            value = partial(raw.encode("utf-8", "surrogatepass"))
            if value is None:
                return raw
    return "\n".join(text for text in leaves(value) if text)


def partial(data: bytes) -> Any:
    """What can be read of JSON that stops in the middle; None where that is nothing.

    >>> partial(b'{"content": "It was a dark and st')
    {'content': 'It was a dark and st'}
    """
    try:
        return from_json(data, allow_partial="trailing-strings") or None
    except ValueError:
        return None


def leaves(value: Any) -> Iterator[str]:
    """All strings in a value, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
