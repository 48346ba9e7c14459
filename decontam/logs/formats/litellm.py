"""LiteLLM: spend logs, the standard logging payload, logs of its proxy as JSON lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import Call, Example, Gives, Look, Reader, inside
from decontam.logs.envelopes import Envelope, opened

_LOG = Envelope(
    response=("response", "original_response", "complete_streaming_response"),
    request=("proxy_server_request.body", "proxy_server_request", "messages"),
    id=("litellm_call_id", "request_id", "id"),
    model=("model", "model_group"),
    time=("startTime", "start_time", "endTime"),
    host=("api_base",),
    provider=("custom_llm_provider",),
    bare=True,
)
_SIGNS = {"call_type", "custom_llm_provider", "api_base", "model_group", "litellm_call_id", "response_cost", "spend"}


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if isinstance(standard := value.get("standard_logging_object") or inside(value, "kwargs", "standard_logging_object"), dict):
        return opened(_LOG, standard, look)
    return opened(_LOG, value, look) if len(value.keys() & _SIGNS) >= 2 else None


_SPEND = {
    "request_id": "c-7",
    "call_type": "acompletion",
    "spend": 0.01,
    "startTime": "2024-05-01 09:30:00.250",
    "model": "azure/gpt-4o",
    "custom_llm_provider": "azure",
    "api_base": "https://team.openai.azure.com",
    "messages": [{"role": "user", "content": "Chapel?"}, {"role": "assistant", "content": "Which?"}],
    "response": {
        "id": "c-7",
        "model": "gpt-4o",
        "object": "chat.completion",
        "choices": [{"message": {"role": "assistant", "content": "The chapel is shut."}}],
    },
}

READER = Reader(
    name="litellm",
    about="LiteLLM's spend logs, standard logging payloads and JSON logs of its proxy",
    source="https://docs.litellm.ai/docs/proxy/logging_spec; /docs/proxy/ui_logs",
    read=_read,
    keys=(
        ("call_type",),
        ("custom_llm_provider",),
        ("litellm_call_id",),
        ("response_cost",),
        ("spend",),
        ("standard_logging_object",),
        ("kwargs",),
    ),
    examples=(
        Example(
            _SPEND,
            (
                Gives("c-7", "The chapel is shut.", "azure-openai", "gpt-4o", "2024-05-01T09:30:00Z"),
                Gives("c-7#1", "Chapel?", "azure-openai", "gpt-4o", "2024-05-01T09:30:00Z", "prompt"),
                Gives("c-7#2", "Which?", "azure-openai", "gpt-4o", "2024-05-01T09:30:00Z", "prompt"),
            ),
        ),
        Example({**_SPEND, "messages": {}, "response": "{}"}, ()),
        Example(
            {"level": "INFO", "message": "ok", "standard_logging_object": {**_SPEND, "messages": [], "response": "A short word."}},
            (Gives("c-7", "A short word.", "azure-openai", "azure/gpt-4o", "2024-05-01T09:30:00Z"),),
        ),
    ),
    spares=({"spend": 12, "campaign": "spring"},),
)
