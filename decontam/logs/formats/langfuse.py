"""Langfuse: generations among observations, from its API, its tables (JSON, JSONL, CSV) and its exports to blob storage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import Call, Example, Gives, Look, Reader, objects
from decontam.logs.envelopes import Envelope, opened

_LOG = Envelope(
    response=("output",),
    request=("input",),
    id=("id", "observationId"),
    model=("model", "providedModelName", "provided_model_name", "internalModel", "model_name"),
    time=("startTime", "start_time", "timestamp", "createdAt"),
    bare=True,
)
_SIGNS = {
    "traceId",
    "trace_id",
    "startTime",
    "start_time",
    "observations",
    "modelParameters",
    "model_parameters",
    "sessionId",
    "userId",
    "htmlPath",
}
_OTHERS = ("SPAN", "EVENT", "TOOL", "RETRIEVER", "EMBEDDING", "GUARDRAIL")


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if not value.keys() & _SIGNS or "run_type" in value:
        return None
    inner = [observation for observation in objects(value.get("observations")) if "output" in observation]
    if inner:  # the output of a trace is that of one of its observations
        return [call for observation in inner for call in look.calls(observation)]
    if str(value.get("type") or "GENERATION").upper() in _OTHERS:
        return [Call()]
    return opened(_LOG, value, look)


_GENERATION = {
    "id": "obs-1",
    "traceId": "t-1",
    "type": "GENERATION",
    "startTime": "2024-05-29T13:46:19.963Z",
    "model": "gpt-4o",
    "input": [{"role": "user", "content": "Orchard?"}],
    "output": {"role": "assistant", "content": "Apples, mostly."},
}

READER = Reader(
    name="langfuse",
    about="Langfuse's observations and traces: API, table exports (JSON, JSONL, CSV), blob exports",
    source="https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields; https://api.reference.langfuse.com",
    read=_read,
    keys=(("input", "output"), ("output", "traceId"), ("output", "trace_id")),
    lists=(("data",), ("observations",)),
    examples=(
        Example(
            {"data": [_GENERATION, {**_GENERATION, "type": "SPAN"}]},
            (
                Gives("obs-1", "Apples, mostly.", "openai", "gpt-4o", "2024-05-29T13:46:19Z"),
                Gives("obs-1#1", "Orchard?", "openai", "gpt-4o", "2024-05-29T13:46:19Z", "prompt"),
            ),
        ),
        Example(
            {
                "id": "obs-2",
                "trace_id": "t",
                "type": "GENERATION",
                "start_time": "2024-05-29 13:46:19.963000",
                "provided_model_name": "claude-3-haiku",
                "input": None,
                "output": '"Pears."',
            },
            (Gives("obs-2", '"Pears."', "anthropic", "claude-3-haiku", "2024-05-29T13:46:19Z"),),
        ),
        Example("id,traceId,type,model,input,output\nobs-3,t,GENERATION,gpt-4o,,Plums.\n", (Gives("obs-3", "Plums.", "openai", "gpt-4o"),)),
    ),
    spares=({"input": "2+2", "output": "4"}, {"instruction": "x", "input": "", "output": "y"}),
)
