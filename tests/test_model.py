"""Scores of n-grams: what they are, that they are the same everywhere, and what is said of a file that is no model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam import model
from decontam.errors import ArtefactError
from decontam.model import BITS, BUILTIN, LENGTH, Weights, ngrams, opened, written
from decontam.prose import prose
from decontam.tokens import tokenised

from . import made

KEYS = st.lists(st.integers(0, 40), max_size=60).map(lambda keys: np.array(keys, np.uint64))
WEIGHTS = Weights(np.random.RandomState(1).randint(-900, 900, 1 << BITS).astype(np.int16), 0.01, 0.5)


def read(text: str) -> object:
    data = text.encode()
    return prose(data, tokenised(data))


@given(KEYS)
def test_a_score_is_the_sum_of_distinct_n_grams_over_a_power_of_their_number(keys: np.ndarray) -> None:
    found, _ = ngrams(keys)
    expected = int(WEIGHTS.table[found].sum()) * 0.01 / max(1, len(found)) ** LENGTH + 0.5

    assert len(set(found.tolist())) == len(found)
    assert expected == pytest.approx(WEIGHTS.score(keys), abs=1e-12)


@given(KEYS, st.integers(1, 12))
def test_windows_are_what_each_stretch_would_score_alone(keys: np.ndarray, size: int) -> None:
    """But for the pair that leads into a stretch, which counts as part of it."""
    windows = WEIGHTS.windows(keys, size)
    alone = [WEIGHTS.windows(keys[at : at + size], size) for at in range(len(keys) - size + 1)]

    assert max(0, len(keys) - size + 1) == len(windows)
    assert len(windows) == 0 or windows[0] == pytest.approx(alone[0][0])


def test_n_grams_know_where_they_stand() -> None:
    keys = np.array([5, 6, 5, 6, 7], np.uint64)
    _, places = ngrams(keys)

    assert [0, 1, -2, -3, 4, -5] == places.tolist()


def test_what_weighed_most_is_named_first() -> None:
    shipped = opened(BUILTIN)
    found = read(made.text(False, 1))
    weighed = shipped.weighed(found, 5)

    assert sorted((one.weight for one in weighed), reverse=True) == [one.weight for one in weighed]
    assert all(one.last - one.first in (0, 1) and one.weight > 0 for one in weighed)


def test_without_numba_scores_are_the_same() -> None:
    text = made.text(False, 3, words=330) + "\n\n- **bold** [link](https://example.org)\n"
    program = (
        "import sys, warnings; sys.modules['numba'] = None; warnings.simplefilter('ignore')\n"
        "from decontam.model import opened, BUILTIN; from decontam.prose import prose; from decontam.tokens import tokenised\n"
        "data = sys.argv[1].encode(); m = opened(BUILTIN); read = prose(data, tokenised(data))\n"
        "print(m.score(read), m.passages.windows(read.keys, 250).max(), m.weighed(read, 3))"
    )
    done = subprocess.run([sys.executable, "-c", program, text], capture_output=True, text=True, check=True, env=os.environ)
    shipped, found = opened(BUILTIN), read(text)

    assert f"{shipped.score(found)} {shipped.passages.windows(found.keys, 250).max()} {shipped.weighed(found, 3)}\n" == done.stdout


def test_a_file_is_what_was_written(tmp_path: Path) -> None:
    data = written({"name": "x"}, {"documents": WEIGHTS, "passages": WEIGHTS})
    (tmp_path / "x.model").write_bytes(data)
    again = opened(tmp_path / "x.model")

    assert data == written({"name": "x"}, {"documents": WEIGHTS, "passages": WEIGHTS})
    assert "x" == again.name
    assert (WEIGHTS.table == again.passages.table).all()
    assert (0.01, 0.5) == (again.documents.scale, again.documents.bias)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: b"PK\x03\x04" + data, "not a synthetic model"),
        (lambda data: data[:100], "truncated or corrupt"),
        (lambda data: data[:-5], "truncated or corrupt"),
        (lambda data: data.replace(b'"reading":1', b'"reading":9'), "train it again"),
    ],
)
def test_what_is_no_model_is_said_to_be_none(change: object, says: str, tmp_path: Path) -> None:
    (tmp_path / "x.model").write_bytes(change(written({"name": "x"}, {"documents": WEIGHTS, "passages": WEIGHTS})))
    with pytest.raises(ArtefactError, match=says):
        opened(tmp_path / "x.model")


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"no\.model: No such file"):
        opened(tmp_path / "no.model")


def test_the_shipped_model_is_of_this_reading_and_small() -> None:
    assert BUILTIN.stat().st_size < 6e6
    assert model.READING == opened(BUILTIN).header["reading"]
