"""Requests alone: what was asked, without what came back; only prompts are in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import PROMPT, Call, Example, Gives, Look, Reader, Said, inside, objects, text
from decontam.logs.content import said_by, said_in

_PARAMETERS = {
    "model", "temperature", "max_tokens", "stream", "top_p", "max_tokens_to_sample", "max_completion_tokens", "generationConfig", "parameters",
    "anthropic_version", "tools", "stop", "max_gen_len", "inferenceConfig", "textGenerationConfig", "max_output_tokens", "instructions", "options",
}  # fmt: skip


_ANSWERED = {"completion", "response", "answer", "output", "reply", "generation", "choices", "chosen"}


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    asked = _asked(value)
    if asked is None:
        return None
    if not look.prompts:
        asked = []
    return [Call(tuple(Said(said.text, PROMPT) for said in asked if said.text), None, text(value.get("model")))]


def _asked(value: dict[str, Any]) -> list[Said] | None:
    asked = _inputs(value)
    if asked is None:
        return None
    system = [said for key in ("system", "instructions", "systemInstruction", "system_instruction") for said in _content(value.get(key))]
    return [*system, *asked]


def _inputs(value: dict[str, Any]) -> list[Said] | None:
    """What is asked beside the instructions; None where this is no request."""
    contents = objects(value.get("contents"))
    if contents and all("parts" in each for each in contents):
        return [said for each in contents for said in said_by(each["parts"], PROMPT)]
    if not value.keys() & _PARAMETERS or value.keys() & _ANSWERED:
        return None
    texts = [value.get(key) for key in ("prompt", "inputs", "inputText")] + [value.get("input") if "model" in value else None]
    if given := next((each for each in texts if isinstance(each, str)), None):
        return [Said(given)]
    lists = [inside(value, "input", "messages"), *(value.get(key) for key in ("messages", "input", "prompt", "inputs"))]
    turns = next((each for each in lists if isinstance(each, list) and each), None)
    if turns is None:
        return None
    return [said for each in turns for said in (said_in(each, PROMPT) if isinstance(each, dict) else said_by(each, PROMPT))]


def _content(value: Any) -> list[Said]:
    return list(said_by(value.get("parts") if isinstance(value, dict) and "parts" in value else value, PROMPT))


READER = Reader(
    name="request",
    about="requests alone (OpenAI, Anthropic, Gemini, Bedrock, DashScope): only prompts are in them",
    source="https://platform.openai.com/docs/api-reference/chat/create and what it is called elsewhere",
    read=_read,
    keys=tuple((key,) for key in ("prompt", "input", "inputs", "contents", "inputText", "messages")),
    examples=(
        Example(
            {"model": "gpt-3.5-turbo-instruct", "prompt": "Once upon", "max_tokens": 9},
            (Gives(":0", "Once upon", "openai", "gpt-3.5-turbo-instruct", part="prompt"),),
        ),
        Example({"contents": [{"role": "user", "parts": [{"text": "Fen?"}]}]}, (Gives(":0", "Fen?", part="prompt"),)),
        Example(
            {"model": "gpt-4o", "instructions": "Be brief.", "input": "Marsh?"},
            (Gives(":0", "Be brief.", "openai", "gpt-4o", part="prompt"), Gives(":0#1", "Marsh?", "openai", "gpt-4o", part="prompt")),
        ),
    ),
    spares=({"prompt": "Once upon", "chosen": "a", "rejected": "b"}, {"input": "x", "output": "y"}, {"contents": ["a"]}),
)
