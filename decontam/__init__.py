"""decontam keeps LLM output, API traces, personal data and secrets out of training data, and shows why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decontam.types import Action, Field, Finding, Record, Span, Strength, Verdict

if TYPE_CHECKING:
    from decontam.chain import Chain

__version__ = "0.1.0"
__all__ = ["Action", "Field", "Finding", "Record", "Span", "Strength", "Verdict", "__version__", "load"]


def load(config: str | None = None) -> Chain:
    """The chain of a config: a file, the name of one that comes with decontam, or the default.

    Raises ConfigError or RuleError. Not to be pickled; load it once in each process.

    >>> load().screen_text("Plain words.").action
    <Action.KEEP: 0>
    """
    from decontam.config import chain_of, load_config

    return chain_of(load_config(config))
