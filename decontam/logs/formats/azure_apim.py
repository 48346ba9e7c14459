"""Gateway logs of Azure API Management, from an event hub, a storage account or Log Analytics; and Azure OpenAI's own, which hold no text.

Bodies are cut at 8,192 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import Call, Example, Gives, Look, Reader
from decontam.logs.envelopes import Envelope, opened

_LOG = Envelope(
    response=(
        "properties.backendResponseBody",
        "properties.responseBody",
        "BackendResponseBody",
        "ResponseBody",
        "backendResponseBody",
        "responseBody",
    ),
    request=(
        "properties.backendRequestBody",
        "properties.requestBody",
        "BackendRequestBody",
        "RequestBody",
        "backendRequestBody",
        "requestBody",
    ),
    id=("correlationId", "CorrelationId", "properties.correlationId", "properties.requestId"),
    model=("properties.modelName", "ModelName"),
    time=("time", "TimeGenerated", "timestamp", "Timestamp"),
    host=("properties.backendUrl", "BackendUrl", "properties.url", "Url", "backendUrl", "url"),
)
_SIGNS = ("backendresponsebody", "responsebody", "backendurl", "apiid", "modeldeploymentname", "apiname", "requestbody")


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    properties = value.get("properties")
    keys = properties if isinstance(properties, (dict, str)) else value
    lower = {key.lower() for key in keys} if isinstance(keys, dict) else keys.lower()
    if not any(sign in lower for sign in _SIGNS):
        return None
    return opened(_LOG, value, look)


_PROPERTIES = {
    "method": "POST",
    "backendUrl": "https://team.openai.azure.com/openai/deployments/g/chat/completions",
    "apiId": "aoai",
    "backendResponseBody": '{"choices":[{"message":{"role":"assistant","content":"The lock opens at seven."}}],"id":"c-5","model":"gpt-4","object":"chat.completion"}',
}

READER = Reader(
    name="azure-apim",
    about="gateway logs of Azure API Management (event hub, storage, Log Analytics), bodies cut at 8 KB included",
    source="https://learn.microsoft.com/azure/api-management/gateway-log-schema-reference; /azure/ai-services/openai/how-to/monitor-openai",
    read=_read,
    keys=(
        ("properties", "time"),
        ("properties", "correlationId"),
        ("BackendResponseBody",),
        ("ResponseBody",),
        ("backendResponseBody",),
        ("responseBody", "backendUrl"),
    ),
    lists=(("records",),),
    examples=(
        Example(
            {"records": [{"time": "2024-03-01T08:00:00.123Z", "correlationId": "k", "category": "GatewayLogs", "properties": _PROPERTIES}]},
            (Gives("c-5", "The lock opens at seven.", "azure-openai", "gpt-4", "2024-03-01T08:00:00Z"),),
        ),
        Example(
            {
                "TimeGenerated": "2024-03-01T08:00:00Z",
                "CorrelationId": "k2",
                "BackendResponseBody": '{"choices":[{"message":{"role":"assistant","content":"The sluice is',
            },
            (Gives("k2", "The sluice is", None, None, "2024-03-01T08:00:00Z"),),
        ),
        Example(
            {
                "time": "2024-03-01T08:00:00Z",
                "correlationId": "k3",
                "properties": '{"apiName":"Azure OpenAI API","modelDeploymentName":"g"}',
            },
            (),
        ),
    ),
    spares=({"time": "2024-03-01", "properties": {"colour": "red"}},),
)
