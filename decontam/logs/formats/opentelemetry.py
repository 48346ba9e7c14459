"""OpenTelemetry: spans and log events with the attributes of gen_ai, OpenInference, OpenLLMetry or Vercel's AI SDK."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import Call, Example, Gives, Look, Reader, Said, inside, objects, text
from decontam.logs.content import arguments, leaves, said_in
from decontam.logs.envelopes import together
from decontam.logs.providers import named
from decontam.logs.units import unit_of

_WRITTEN = re.compile(
    r"gen_ai\.completion\.\d+\.(?:content|reasoning)|gen_ai\.output\.messages|gen_ai\.completion|gen_ai\.response\.text"
    r"|llm\.output_messages\.\d+\.message\.(?:content|contents\.\d+\.message_content\.text)|ai\.response\.text|ai\.response\.object"
    r"|llm\.output_messages|llm\.completions\.\d+\.content|traceloop\.entity\.output"
)
_CALLED = re.compile(
    r"gen_ai\.completion\.\d+\.tool_calls\.\d+\.arguments|llm\.output_messages\.\d+\.message\.tool_calls\.\d+\.tool_call\.function\.arguments|ai\.response\.toolCalls"
)
_ASKED = re.compile(
    r"gen_ai\.prompt\.\d+\.content|gen_ai\.input\.messages|gen_ai\.prompt|gen_ai\.system_instructions|llm\.input_messages\.\d+\.message\.content|ai\.prompt(?:\.messages)?"
)
_IDS = ("gen_ai.response.id", "ai.response.id", "span_id", "spanId", "context.span_id")
_MODELS = ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "ai.response.model", "ai.model.id")
_PROVIDERS = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider")
_TIMES = ("startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime", "timeUnixNano", "Timestamp", "timestamp", "_time")
_TYPED = {"stringValue", "intValue", "doubleValue", "boolValue", "bytesValue", "arrayValue", "kvlistValue"}
_CHOICES = ("gen_ai.choice", "gen_ai.content.completion")


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if "scopeSpans" in value or "resourceSpans" in value or "scope_spans" in value:
        scopes = objects(value.get("resourceSpans")) or objects(value.get("scopeSpans") or value.get("scope_spans"))
        return [call for scope in scopes for call in look.calls(scope)] or [Call()]
    if "spans" in value and "scope" in value:
        return [call for span in objects(value["spans"]) for call in look.calls(span)] or [Call()]
    told = {key.removeprefix("attributes."): each for key, each in {**_attributes(value.get("attributes")), **value}.items()}
    spans = any(key in value for key in ("spanId", "span_id", "traceId", "trace_id", "context"))
    calls = [call for event in [value, *objects(value.get("events"))] for call in _event(event, look)]
    said = tuple(said for key, each in told.items() for said in _said(key, each))
    if not said and not calls and not (spans and any(key.startswith(("gen_ai.", "llm.", "ai.model")) for key in told)):
        return None
    asked = tuple(said for key, each in told.items() if _ASKED.fullmatch(key) for said in look.asked(each)) if look.prompts else ()
    outer = Call(
        id=next((id for key in _IDS if (id := text(told.get(key)))), None),
        model=next((model for key in _MODELS if (model := text(told.get(key)))), None),
        provider=next((provider for key in _PROVIDERS if (provider := named(told.get(key)))), None),
        time=next((told[key] for key in _TIMES if told.get(key)), None),
    )
    return together([Call(said)] if said else calls, asked, outer)


def _attributes(value: Any) -> dict[str, Any]:
    """Attributes as a mapping, be they a list of keys and typed values."""
    if isinstance(value, dict):
        return value
    return {str(each.get("key")): _typed(each.get("value")) for each in objects(value)}


def _typed(value: Any) -> Any:
    if not isinstance(value, dict) or not value.keys() & _TYPED:
        return value
    if isinstance(inner := inside(value, "arrayValue", "values"), list):
        return [_typed(each) for each in inner]
    if isinstance(inner := inside(value, "kvlistValue", "values"), list):
        return {str(each.get("key")): _typed(each.get("value")) for each in objects(inner)}
    return next(iter(value.values()), None)


def _said(key: str, value: Any) -> list[Said]:
    if _CALLED.fullmatch(key):
        return [Said(made)] if (made := arguments(value)) else []
    if not _WRITTEN.fullmatch(key) or not value:
        return []
    if not key.endswith("messages"):
        return [Said(value)] if isinstance(value, str) else [Said(each) for each in leaves(value)]
    messages = unit_of(value.encode("utf-8", "surrogatepass"), 0).value if isinstance(value, str) else value
    return [said for each in objects(messages) if (message := _flat(each)).get("role") != "user" for said in said_in(message)]


def _flat(message: dict[str, Any]) -> dict[str, Any]:
    """A message, be it nested or with the names of its attributes before its fields."""
    inner = message.get("message")
    return inner if isinstance(inner, dict) else {key.removeprefix("message."): value for key, value in message.items()}


def _event(event: dict[str, Any], look: Look) -> list[Call]:
    """The choice that a log event tells of."""
    name = event.get("name") or event.get("eventName") or event.get("event_name") or _attributes(event.get("attributes")).get("event.name")
    if name not in _CHOICES:
        return []
    told = _attributes(event.get("attributes"))
    body = _typed(event.get("body")) or told.get("message") or told.get("gen_ai.completion") or told
    return look.answers(body.get("message", body) if isinstance(body, dict) else body)


READER = Reader(
    name="opentelemetry",
    about="OpenTelemetry spans and events (OTLP as JSON, flat rows): gen_ai, OpenInference, OpenLLMetry, Vercel's AI SDK",
    source="https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/; https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md",
    read=_read,
    keys=(
        *((key,) for key in ("attributes", "resourceSpans", "scopeSpans", "scope_spans", "eventName", "event_name")),
        *(
            (f"{start}{key}",)
            for start in ("", "attributes.")
            for key in (
                "gen_ai.output.messages",
                "gen_ai.completion.0.content",
                "gen_ai.request.model",
                "ai.response.text",
                "llm.output_messages",
            )
        ),
        ("spans", "scope"),
    ),
    lists=(("resourceSpans",),),
    examples=(
        Example(
            {
                "resourceSpans": [
                    {
                        "scopeSpans": [
                            {
                                "scope": {"name": "s"},
                                "spans": [
                                    {
                                        "traceId": "t",
                                        "spanId": "s1",
                                        "startTimeUnixNano": "1700000000000000000",
                                        "attributes": [
                                            {"key": "gen_ai.system", "value": {"stringValue": "openai"}},
                                            {"key": "gen_ai.response.model", "value": {"stringValue": "gpt-4o"}},
                                            {"key": "gen_ai.prompt.0.content", "value": {"stringValue": "Tower?"}},
                                            {"key": "gen_ai.completion.0.content", "value": {"stringValue": "It leans."}},
                                        ],
                                    }
                                ],
                            }
                        ]
                    }
                ]
            },
            (
                Gives("s1", "It leans.", "openai", "gpt-4o", "2023-11-14T22:13:20Z"),
                Gives("s1#1", "Tower?", "openai", "gpt-4o", "2023-11-14T22:13:20Z", "prompt"),
            ),
        ),
        Example(
            {
                "span_id": "s2",
                "start_time": "2024-08-01T00:00:00Z",
                "attributes": {
                    "gen_ai.provider.name": "anthropic",
                    "gen_ai.request.model": "claude-3-haiku",
                    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"It stands."},{"type":"tool_call","arguments":{"height":"tall"}}]}]',
                },
            },
            (
                Gives("s2", "It stands.", "anthropic", "claude-3-haiku", "2024-08-01T00:00:00Z"),
                Gives("s2#1", "tall", "anthropic", "claude-3-haiku", "2024-08-01T00:00:00Z"),
            ),
        ),
        Example(
            {
                "span_id": "s3",
                "attributes": {"llm.model_name": "gpt-4o", "llm.output_messages.0.message.content": "It fell."},
                "events": [],
            },
            (Gives("s3", "It fell.", "openai", "gpt-4o"),),
        ),
        Example(
            {
                "context.span_id": "s5",
                "attributes.llm.model_name": "gpt-4o",
                "attributes.llm.output_messages": [{"message.role": "assistant", "message.content": "It sank."}],
            },
            (Gives("s5", "It sank.", "openai", "gpt-4o"),),
        ),
        Example(
            {
                "eventName": "gen_ai.choice",
                "spanId": "s4",
                "body": {"index": 0, "message": {"role": "assistant", "content": "It rose."}},
                "attributes": {"gen_ai.system": "openai"},
            },
            (Gives("s4", "It rose.", "openai"),),
        ),
    ),
    spares=({"attributes": {"colour": "red"}, "name": "x"},),
)
