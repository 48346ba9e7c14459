"""A text that talks about a trace is not the trace."""

from __future__ import annotations

import pytest

from decontam.chain import Chain
from decontam.types import Action, Strength

SAYS = "As an AI language model, I cannot browse the internet."


@pytest.mark.parametrize(
    "text",
    [
        "Detectors look for phrases such as As an AI language model, I cannot browse the internet.",
        f'The page began with "{SAYS}" and went on about fish.',
        f"He wrote “{SAYS}” on the wall.",
        f"grep for `{SAYS}` in the dump",
        "Remove the marker `oaicite:3` and `turn0search0` before publishing.",
        f'{{"context": "{SAYS}"}} is what the page held.',
        'answers = [f"No, I am a language model trained by researchers from {org}.", f"I am a language model made by {maker}."] * 3',
        "I am a language model trained by {{ company }}. I am an AI assistant named {name}, I am an AI chatbot of %s.",
        "删除诸如 作为一个人工智能语言模型，我无法 之类的句式。",
    ],
)
def test_mentions_are_kept_and_say_why(chain: Chain, text: str) -> None:
    verdict = chain.screen_text(text)

    assert verdict.action <= Action.TAG
    for finding in verdict.findings:
        if finding.strength == Strength.MENTION:
            assert finding.detail["settled"].startswith("mention: ")


@pytest.mark.parametrize(
    "text",
    [
        f"{SAYS} I don't have personal opinions or feelings.",
        f'{{"output": "{SAYS} I do not have feelings or personal opinions."}}',
        f'{{"instruction": "news?", "response":"{SAYS} I do not have personal opinions."}}',
    ],
)
def test_answers_are_no_mentions_also_in_json(chain: Chain, text: str) -> None:
    assert all("mention" not in finding.detail for finding in chain.screen_text(text).findings)
    assert chain.screen_text(text).findings
