"""Envelopes: records of gateways and archives, which wrap what was asked and what came back in fields of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from decontam.logs.calls import PROMPT, Call, Look, Said, text
from decontam.logs.providers import named
from decontam.logs.units import parsed


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where an envelope keeps things, as paths with dots, the likeliest first; the first that holds something counts.

    `request` is read for prompts alone, whatever roles stand in it. `bare`: text under `response` is the answer itself.
    """

    response: tuple[str, ...]
    request: tuple[str, ...] = ()
    id: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    time: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    bare: bool = False


def first(value: dict[str, Any], paths: tuple[str, ...]) -> Any:
    """The first thing that stands at one of the paths, also inside of JSON that stands there as text; None for nothing.

    >>> first({"a": '{"b": 1}', "c": 2}, ("x", "a.b", "c"))
    1
    """
    for path in paths:
        found: Any = value
        for key in path.split("."):
            if isinstance(found, str) and found[:1] == "{":
                try:
                    found = parsed(found)
                except (ValueError, RecursionError):
                    found = None
            found = found.get(key) if isinstance(found, dict) else None
            if found is None:
                break
        if found not in (None, "", [], {}):
            return found
    return None


def opened(envelope: Envelope, value: dict[str, Any], look: Look) -> list[Call]:
    """The calls in an envelope; one without text where it tells of a call whose texts it does not hold."""
    outer = about(envelope, value)
    response = first(value, envelope.response)
    calls = (look.answers if envelope.bare else look.calls)(response)
    asked = look.asked(first(value, envelope.request)) if look.prompts and envelope.request else ()
    return together(calls, asked, outer)


def about(envelope: Envelope, value: dict[str, Any]) -> Call:
    """What an envelope tells of its call beside the texts."""
    host = first(value, envelope.host)
    return Call(
        id=text(first(value, envelope.id)),
        model=text(first(value, envelope.model)),
        provider=named(first(value, envelope.provider)),
        time=first(value, envelope.time),
        host=host if isinstance(host, str) else None,
    )


def together(calls: list[Call], asked: tuple[Said, ...], outer: Call) -> list[Call]:
    """Answers and what was asked as one call where there is one answer; all of them within `outer`."""
    answers = [call for call in calls if any(said.part != PROMPT for said in call.said)]
    if len(answers) == 1 or not calls:
        only = answers[0] if answers else Call()
        others = tuple(said for call in calls if call is not only for said in call.said)
        cut = only.cut or any(call.cut for call in calls)
        return [only._replace(said=(*only.said, *others, *asked), cut=cut).within(outer)]
    rest = [Call(asked)] if asked else []
    return [call.within(outer) for call in [*calls, *rest]]
