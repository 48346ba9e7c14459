"""Logs of Azure API Management for language models: request and response messages, in parts of 32 KB numbered by SequenceNumber."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, text
from decontam.logs.envelopes import Envelope, first, opened

_RESPONSE = ("properties.responseMessages", "ResponseMessages", "responseMessages")
_REQUEST = ("properties.requestMessages", "RequestMessages", "requestMessages")
_ID = ("correlationId", "CorrelationId", "properties.correlationId")
_NUMBER = ("properties.sequenceNumber", "SequenceNumber", "sequenceNumber")
_LOG = Envelope(
    response=_RESPONSE,
    request=_REQUEST,
    id=_ID,
    model=("properties.modelName", "ModelName", "properties.deploymentName", "DeploymentName"),
    time=("time", "TimeGenerated"),
    host=("properties.backendUrl", "BackendUrl"),
    bare=True,
)


def _is_ours(value: dict[str, Any]) -> bool:
    return first(value, (*_RESPONSE, *_REQUEST)) is not None


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    return opened(_LOG, value, look) if _is_ours(value) else None


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    if first(value, _NUMBER) is None or not _is_ours(value):
        return None
    return Chunk(text(first(value, _ID)) or "")


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    ordered = sorted(chunks, key=lambda chunk: int(first(chunk, _NUMBER)) if str(first(chunk, _NUMBER)).isdigit() else 0)
    said = {"ResponseMessages": _RESPONSE, "RequestMessages": _REQUEST}
    return {**chunks[0], "properties": None, "ModelName": first(chunks[0], _LOG.model)} | {
        key: "".join(piece if isinstance(piece, str) else "" for chunk in ordered if (piece := first(chunk, paths)))
        or first(chunks[0], paths)
        for key, paths in said.items()
    }


READER = Reader(
    name="azure-llm",
    about="language-model logs of Azure API Management, long messages put together by their sequence numbers",
    source="https://learn.microsoft.com/azure/api-management/api-management-howto-llm-logs; /azure/azure-monitor/reference/tables/apimanagementgatewayllmlog",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("properties",), ("ResponseMessages",), ("RequestMessages",), ("responseMessages",), ("requestMessages",)),
    lists=(("records",),),
    examples=(
        Example(
            [
                {
                    "TimeGenerated": "2025-06-01T10:00:00Z",
                    "CorrelationId": "z",
                    "ModelName": "gpt-4o",
                    "SequenceNumber": 1,
                    "ResponseMessages": 'water is low."}]',
                },
                {
                    "TimeGenerated": "2025-06-01T10:00:00Z",
                    "CorrelationId": "z",
                    "ModelName": "gpt-4o",
                    "SequenceNumber": 0,
                    "ResponseMessages": '[{"role":"assistant","content":"The ',
                },
            ],
            (Gives("z", "The water is low.", "openai", "gpt-4o", "2025-06-01T10:00:00Z"),),
        ),
    ),
    spares=({"properties": {"sequenceNumber": 1}},),
)
