"""Conversations: messages with roles, with or without an answer beside them; and single messages, one a record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import PROMPT, Call, Example, Gives, Look, Reader, Said, objects, text
from decontam.logs.content import said_by, said_in

_ASSISTANT = ("assistant", "model", "gpt", "bot", "ai", "chatgpt")
_ROLES = (*_ASSISTANT, "user", "system", "human", "developer", "tool", "function")
_ANSWERS = ("completion", "response", "answer", "output", "chosen")


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if isinstance(value.get("role"), str) and value.keys() & {"content", "parts"}:
        return [Call(tuple(_said(value, look)), text(value.get("id")))] if value["role"].lower() in _ROLES else None
    turns = next((found for key in ("messages", "conversations", "conversation") if (found := _turns(value.get(key)))), None)
    if turns is None:
        return None
    about = Call(
        id=text(value.get("id")),
        model=text(value.get("model")),
        time=value.get("created") or value.get("created_at") or value.get("timestamp"),
    )
    key = next((key for key in _ANSWERS if value.get(key)), None)
    if key is not None:  # what came back stands beside what was asked
        answers = look.answers(value[key])
        asked = tuple(said for turn in turns for said in _said({**turn, "role": "user"}, look))
        answer = answers[0] if len(answers) == 1 else Call(tuple(said for each in answers for said in each.said))
        return [answer._replace(said=(*answer.said, *asked)).within(about)]
    if _role(turns[-1]) not in _ASSISTANT:  # a request: what the model wrote in it came back on an earlier one
        turns = [{**turn, "role": "user"} for turn in turns]
    return [about._replace(said=tuple(said for turn in turns for said in _said(turn, look)))]


def _turns(value: Any) -> list[dict[str, Any]] | None:
    turns = objects(value)
    return turns if turns and len(turns) == len(value) and all(_role(turn) in _ROLES for turn in turns) else None


def _role(turn: dict[str, Any]) -> str:
    return str(turn.get("role") or turn.get("from") or turn.get("author") or "").lower()


def _said(turn: dict[str, Any], look: Look) -> list[Said]:
    part = "response" if _role(turn) in _ASSISTANT else PROMPT
    if part == PROMPT and not look.prompts:
        return []
    return said_in(turn, part) or list(said_by(turn.get("value"), part))


READER = Reader(
    name="conversation",
    about="messages with roles, alone or with completion, response or answer beside them (also ShareGPT's from and value)",
    source="https://platform.openai.com/docs/guides/supervised-fine-tuning#formatting-your-data; https://github.com/lm-sys/FastChat",
    read=_read,
    keys=(("messages",), ("conversations",), ("conversation",), ("role", "content"), ("role", "parts")),
    examples=(
        Example(
            {"messages": [{"role": "user", "content": "Hedge?"}, {"role": "assistant", "content": "Hawthorn."}], "id": "v1"},
            (Gives("v1", "Hedge?", part="prompt"), Gives("v1#1", "Hawthorn.")),
        ),
        Example(
            {"messages": [{"role": "user", "content": "Hedge?"}], "completion": "Beech.", "model": "gpt-4o"},
            (Gives(":0", "Beech.", "openai", "gpt-4o"), Gives(":0#1", "Hedge?", "openai", "gpt-4o", part="prompt")),
        ),
        Example(
            {"conversations": [{"from": "human", "value": "Hedge?"}, {"from": "gpt", "value": "Yew."}]},
            (Gives(":0", "Hedge?", part="prompt"), Gives(":0#1", "Yew.")),
        ),
        Example(
            {
                "model": "gpt-4o",
                "messages": [{"role": "assistant", "content": "Box."}, {"role": "user", "content": "Sure?"}],
                "temperature": 0,
            },
            (Gives(":0", "Box.", "openai", "gpt-4o", part="prompt"), Gives(":0#1", "Sure?", "openai", "gpt-4o", part="prompt")),
        ),
    ),
    spares=({"messages": [{"text": "hi", "user": "u"}]}, {"role": "admin", "content": "x"}, {"messages": "3 unread"}),
)
