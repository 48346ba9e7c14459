"""Hugging Face datasets: the recipe of README, in processes of its own and with columns beside the text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from .test_readme import blocks
from .test_run import API, HUMAN, MAIL

ROWS = [{**record, "n": number, "more": {"tags": ["a", None]}} for number, record in enumerate([HUMAN, API, MAIL, HUMAN] * 5)]
MASKED = {"text": "write to <EMAIL>, please"}
KEPT = [row | (MASKED if row["id"] == "mail" else {}) for row in ROWS if row["id"] != "api"]


@pytest.fixture
def clean() -> Any:
    """The function that README shows."""
    names: dict[str, Any] = {}
    exec(re.sub(r"(?m)^(dataset|print).*$", "", blocks("python")[1]), names)
    return names["clean"]


@pytest.mark.parametrize("processes", [None, 2])
def test_the_recipe_keeps_redacts_and_removes(processes: int | None, clean: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    dataset = datasets.Dataset.from_list(ROWS)

    assert KEPT == dataset.map(clean, batched=True, batch_size=3, num_proc=processes).to_list()


def test_the_recipe_is_the_same_function_again(clean: Any) -> None:
    """Datasets find their cache by a digest of the function; rules that compile on the way must not change it."""
    from datasets.fingerprint import Hasher

    before = Hasher.hash(clean)
    clean({"text": ["Plain words."]})

    assert before == Hasher.hash(clean)
