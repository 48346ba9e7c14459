"""decontam keeps LLM output, API traces, personal data and secrets out of training data, and shows why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decontam.types import Action, Field, Finding, Record, Span, Strength, Verdict

if TYPE_CHECKING:
    from decontam.config import Config
    from decontam.documents import Documents

__version__ = "0.1.0"
__all__ = ["Action", "Field", "Finding", "Record", "Span", "Strength", "Verdict", "__version__", "load"]


def load(config: str | Config | None = None) -> Documents:
    """A config, ready to screen documents: a file, the name of one that comes with decontam, or the default.

    Raises ConfigError. It can be pickled; rules are compiled by the first document in each process.

    >>> load().screen_text("Plain words.").action
    <Action.KEEP: 0>
    """
    from decontam.config import Config, load_config
    from decontam.documents import Documents

    return Documents((config if isinstance(config, Config) else load_config(config)).to_dict())
