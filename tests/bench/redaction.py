"""What it costs to replace values in each way: CPU time of documents that have one or two, beside the bare placeholder.

python tests/bench/redaction.py
"""

from __future__ import annotations

import os
import time

from decontam.config import chain_of, load_config
from decontam.prove import fill_in
from decontam.types import Action

PROSE = " The garden lay quiet under a thin layer of snow, and the keeper went out before breakfast to look at his bees." * 40
VALUES = " write to %{lower*8}.%{lower*5}@%{lower*9}.de or %{'+4420794' digit*5 ? phone} "
DOCUMENTS = [PROSE + fill_in(VALUES, f"bench {number}") + PROSE for number in range(100)]
ROUNDS = 5


def microseconds(policy: dict[str, object]) -> float:
    """The best of some rounds, for each document."""
    chain = chain_of(load_config(None, {"policy": policy}))
    assert all(chain.screen_text(document).action == Action.REDACT for document in DOCUMENTS)
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for document in DOCUMENTS:
            chain.screen_text(document)
        best = min(best, time.process_time() - began)
    return best / len(DOCUMENTS) * 1e6


def main() -> None:
    os.environ["DECONTAM_BENCH_KEY"] = "an invented key, and a long one"
    key = {"key": {"env": "DECONTAM_BENCH_KEY"}}
    plain = microseconds({})
    print(f"documents of {len(DOCUMENTS[0]):,} characters with an address and a telephone number: {plain:.0f} us")
    print(f"  with keyed hashes     {microseconds(key) / plain:.2f}x")
    for mode in ("mask", "pseudonym", "surrogate"):
        print(f"  {mode:<12} and hashes {microseconds({'redaction': mode, **key}) / plain:.2f}x")


if __name__ == "__main__":
    main()
