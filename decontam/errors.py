"""Everything decontam raises on purpose.

DecontamError          catch this to catch them all; each message says where, what, and what to do
├── ConfigError        the configuration: unknown key, unknown stage, bad value
├── ArtefactError      an index or a model cannot be used: not one, truncated, corrupt, of another version or key
├── RuleError          a rule pack: duplicate id, no examples, a pattern that does not compile
├── InputError         what the user pointed at: no input, wrong text key, colliding names, a held output folder
├── ShardError         one shard cannot be read or written: truncated, corrupt, vanished
└── BooksError         the counts of a run do not add up
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DecontamError(Exception):
    """Catch this to catch everything decontam raises on purpose."""


class ConfigError(DecontamError):
    """The configuration is wrong; nothing was written."""


class ArtefactError(DecontamError):
    """An index or a model cannot be used as it is; it is never taken for one that knows nothing."""


class RuleError(DecontamError):
    """A rule pack is wrong; nothing was written."""


class InputError(DecontamError):
    """The inputs or the output folder cannot be used as asked; nothing was written."""


class ShardError(DecontamError):
    """One shard cannot be read or written; the other shards go on."""


class BooksError(DecontamError):
    """Records read and records accounted for differ."""


def printable(text: str, keep: str = "") -> str:
    """A name or a message fit for a terminal and a log: control characters, and bytes that are no UTF-8, as escapes.

    >>> printable("a\\nb\\x1b[31m.jsonl"), printable("caf\\udce9"), printable("我\\n", keep="\\n")
    ('a\\\\x0ab\\\\x1b[31m.jsonl', 'caf\\\\xe9', '我\\n')
    """
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() or c in keep else f"\\x{ord(c):02x}" for c in text)


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """A hint to append to a message, or nothing.

    >>> did_you_mean("catchs", ["catches", "spares"])
    "; did you mean 'catches'?"
    >>> did_you_mean("zzz", ["catches", "spares"])
    ''
    """
    close = difflib.get_close_matches(wrong, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
