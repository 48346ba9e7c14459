"""Invocation logs of Bedrock, in S3 or CloudWatch. Bodies over 100 KB lie in files of their own, which are read as what they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import Call, Example, Gives, Look, Reader, objects
from decontam.logs.envelopes import Envelope, about, first, together

_LOG = Envelope(
    response=("output.outputBodyJson", "output.outputBody", "output"),
    request=("input.inputBodyJson", "input.inputBody"),
    id=("requestId",),
    model=("modelId",),
    time=("timestamp",),
)


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if value.get("schemaType") != "ModelInvocationLog" and not value.keys() >= {"requestId", "operation"}:
        return None
    calls = look.calls(first(value, _LOG.response))
    if not any(call.said for call in calls):
        nested = objects(first(value, _LOG.response))
        calls = look.calls(nested)
    asked = look.asked(first(value, _LOG.request)) if look.prompts else ()
    return [call._replace(provider="aws-bedrock") for call in together(calls, asked, about(_LOG, value))]


def _log(id: str, body: Any) -> dict[str, Any]:
    return {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": "2024-02-03T04:05:06Z",
        "region": "eu-central-1",
        "requestId": id,
        "operation": "InvokeModel",
        "modelId": "anthropic.claude-v2",
        "input": {"inputContentType": "application/json", "inputBodyJson": {"prompt": "Human: Wharf? Assistant:"}},
        "output": {"outputContentType": "application/json", "outputBodyJson": body},
    }


_TIME = "2024-02-03T04:05:06Z"

READER = Reader(
    name="bedrock-log",
    about="model invocation logs of AWS Bedrock",
    source="https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html",
    read=_read,
    keys=(("schemaType", "modelId"), ("modelId", "requestId", "operation")),
    examples=(
        Example(
            _log("b1", {"completion": " Crates.", "stop_reason": "stop_sequence", "stop": "x"}),
            (
                Gives("b1", " Crates.", "aws-bedrock", "anthropic.claude-v2", _TIME),
                Gives("b1#1", "Human: Wharf? Assistant:", "aws-bedrock", "anthropic.claude-v2", _TIME, "prompt"),
            ),
        ),
        Example(
            {
                **_log(
                    "b2",
                    [
                        {"type": "content_block_delta", "index": 0, "delta": {"text": "Ro"}},
                        {"type": "content_block_delta", "index": 0, "delta": {"text": "pes."}},
                    ],
                ),
                "input": {},
            },
            (Gives("b2", "Ropes.", "aws-bedrock", "anthropic.claude-v2", _TIME),),
        ),
    ),
    spares=({"schemaType": "Audit", "modelId": "m"},),
)
