"""LangSmith: runs of type llm, with LangChain's generations or an API's own answer as outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from decontam.logs.calls import PROMPT, Call, Example, Gives, Look, Reader, Said, objects, text
from decontam.logs.content import said_in
from decontam.logs.envelopes import Envelope, about, first, opened, together

_RUN = Envelope(
    response=("outputs",),
    request=("inputs",),
    id=("id", "run_id"),
    model=(
        "extra.metadata.ls_model_name",
        "extra.invocation_params.model",
        "extra.invocation_params.model_name",
        "outputs.llm_output.model_name",
    ),
    time=("start_time", "startTime"),
    provider=("extra.metadata.ls_provider",),
    bare=True,
)


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if "run_type" not in value:
        return _alone(value, look)
    if value["run_type"] != "llm":
        return [Call()]
    outer = about(_RUN, value)
    said = tuple(_generations(first(value, ("outputs.generations",))))
    if not said:
        said = tuple(said_in(message)) if (message := _message(first(value, ("outputs.output", "outputs")))) else ()
    if not said:
        return opened(_RUN, value, look)
    asked = tuple(Said(each.text, PROMPT) for each in _messages(first(value, ("inputs.messages",)))) if look.prompts else ()
    return together([Call(said)], asked or look.asked(first(value, ("inputs",))), outer)


def _alone(value: dict[str, Any], look: Look) -> list[Call] | None:
    """A message of LangChain that stands alone: AIMessage, or of type ai."""
    name = value["id"][-1] if isinstance(value.get("id"), list) and value["id"] else value.get("type")
    message = _message(value)
    if message is None or not isinstance(name, str) or not name.lower().startswith(("ai", "human", "system", "tool")):
        return None
    if not name.lower().startswith("ai"):
        return [Call(tuple(said_in(message, PROMPT)) if look.prompts else ())]
    inner = value.get("kwargs", value.get("data", {}))
    model = first(inner, ("response_metadata.model_name", "response_metadata.model"))
    return [Call(tuple(said_in(message)), text(inner.get("id")), text(model))]


def _generations(value: Any) -> Iterator[Said]:
    """The texts of generations, however deep their lists are."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, list):
            yield from _generations(each)
        elif isinstance(each, dict):
            message = _message(each.get("message"))
            found = said_in(message) if message else []
            if found:
                yield from found
            elif isinstance(each.get("text"), str) and each["text"]:
                yield Said(each["text"])


def _messages(value: Any) -> Iterator[Said]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, list):
            yield from _messages(each)
        elif message := _message(each):
            yield from said_in(message, PROMPT)


def _message(value: Any) -> dict[str, Any] | None:
    """A message of LangChain, whether it was serialised as a constructor or as what it holds."""
    if not isinstance(value, dict):
        return None
    inner = value.get("kwargs", value.get("data", value))
    if not isinstance(inner, dict) or "content" not in inner:
        return None
    more = inner.get("additional_kwargs")
    calls = [{"arguments": call.get("args")} for call in objects(inner.get("tool_calls"))]
    return {**(more if isinstance(more, dict) else {}), "content": inner["content"], "tool_calls": calls}


READER = Reader(
    name="langsmith",
    about="LangSmith's runs of type llm (JSON, JSONL), and messages of LangChain",
    source="https://docs.smith.langchain.com/reference/data_formats/run_data_format",
    read=_read,
    keys=(("run_type",), ("lc", "kwargs"), ("type", "data")),
    lists=(("runs",),),
    examples=(
        Example(
            {
                "id": "run-1",
                "run_type": "llm",
                "start_time": "2024-07-01T08:00:00",
                "inputs": {"messages": [[{"lc": 1, "type": "constructor", "id": ["HumanMessage"], "kwargs": {"content": "Barn?"}}]]},
                "outputs": {
                    "generations": [
                        [
                            {
                                "text": "Hay.",
                                "message": {
                                    "lc": 1,
                                    "id": ["AIMessage"],
                                    "kwargs": {"content": "Hay.", "tool_calls": [{"args": {"bales": "twelve"}}]},
                                },
                            }
                        ]
                    ]
                },
                "extra": {"metadata": {"ls_provider": "anthropic", "ls_model_name": "claude-3-haiku"}},
            },
            (
                Gives("run-1", "Hay.", "anthropic", "claude-3-haiku", "2024-07-01T08:00:00Z"),
                Gives("run-1#1", "twelve", "anthropic", "claude-3-haiku", "2024-07-01T08:00:00Z"),
                Gives("run-1#2", "Barn?", "anthropic", "claude-3-haiku", "2024-07-01T08:00:00Z", "prompt"),
            ),
        ),
        Example(
            {
                "id": "run-2",
                "run_type": "llm",
                "outputs": {"choices": [{"message": {"role": "assistant", "content": "Straw."}}], "id": "c-3", "model": "gpt-4o"},
            },
            (Gives("c-3", "Straw.", "openai", "gpt-4o"),),
        ),
        Example(
            {
                "lc": 1,
                "type": "constructor",
                "id": ["langchain", "AIMessage"],
                "kwargs": {"content": "Oats.", "id": "run-4", "response_metadata": {"model_name": "gpt-4o"}},
            },
            (Gives("run-4", "Oats.", "openai", "gpt-4o"),),
        ),
        Example({"id": "run-3", "run_type": "chain", "outputs": {"output": "Straw."}}, ()),
    ),
)
