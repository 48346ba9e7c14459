"""What people may export of their accounts: conversations of ChatGPT (a tree of messages) and of Claude."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import PROMPT, RESPONSE, Call, Example, Gives, Look, Reader, inside, objects, text
from decontam.logs.content import said_by


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if isinstance(mapping := value.get("mapping"), dict):
        messages = [message for node in mapping.values() if isinstance(message := inside(node, "message"), dict)]
        if not any("author" in message for message in messages):
            return None
        return [call for message in messages if (call := _of_chatgpt(message, look)).said] or [Call()]
    turns = objects(value.get("chat_messages"))
    if not turns or not all("sender" in turn for turn in turns):
        return None
    return [call for turn in turns if (call := _of_claude(turn, look)).said] or [Call()]


def _of_chatgpt(message: dict[str, Any], look: Look) -> Call:
    part = RESPONSE if inside(message, "author", "role") == "assistant" else PROMPT
    content = message.get("content")
    texts = [content.get("parts"), content.get("text"), content.get("thoughts")] if isinstance(content, dict) else []
    said = [said for each in texts for said in said_by(each, part)] if part == RESPONSE or look.prompts else []
    model = text(inside(message, "metadata", "model_slug"))
    return Call(tuple(said), text(message.get("id")), model, "openai", message.get("create_time"))


def _of_claude(turn: dict[str, Any], look: Look) -> Call:
    part = RESPONSE if turn["sender"] == "assistant" else PROMPT
    said = list(said_by(turn.get("content"), part)) or list(said_by(turn.get("text"), part))
    wanted = part == RESPONSE or look.prompts
    return Call(tuple(said) if wanted else (), text(turn.get("uuid")), None, "anthropic", turn.get("created_at"))


_ASSISTANT = {
    "id": "m2",
    "author": {"role": "assistant"},
    "create_time": 1700000000.5,
    "content": {"content_type": "text", "parts": ["Bulrush."]},
    "metadata": {"model_slug": "gpt-4o"},
}
_USER = {"id": "m1", "author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Reeds?"]}}
_TURN = {"uuid": "m3", "sender": "assistant", "text": "Sedge.", "created_at": "2024-02-02T02:02:02Z"}

READER = Reader(
    name="account-exports",
    about="conversations that were exported from accounts of ChatGPT and Claude",
    source="https://help.openai.com/en/articles/7260999; https://support.anthropic.com/en/articles/9450526",
    read=_read,
    keys=(("mapping",), ("chat_messages",)),
    examples=(
        Example(
            [{"title": "t", "mapping": {"a": {"message": None}, "b": {"message": _USER}, "c": {"message": _ASSISTANT}}}],
            (
                Gives("m1", "Reeds?", "openai", part="prompt"),
                Gives("m2", "Bulrush.", "openai", "gpt-4o", "2023-11-14T22:13:20Z"),
            ),
        ),
        Example(
            [{"uuid": "c", "name": "n", "chat_messages": [_TURN]}], (Gives("m3", "Sedge.", "anthropic", None, "2024-02-02T02:02:02Z"),)
        ),
    ),
    spares=({"mapping": {"a": "b"}}, {"chat_messages": [{"from": "x"}]}),
)
