"""Landmarks: what is quick to see, rare in most texts, and stands in every match of many rules.

Some five digits are part of every telephone number, of every card and of most numbers of people, and few pages have them:
rules whose matches all hold a landmark are looked for around it alone. Which rules these are nobody declares: it is proved
from their patterns (`patterns.holds`) when they are read.
"""

from __future__ import annotations

from typing import NamedTuple

from decontam.patterns import holds


class Landmark(NamedTuple):
    """`core` is what a match must hold; `seen`, in RE2 syntax, is what the first pass looks for, each place where it ends."""

    name: str
    core: str
    seen: tuple[str, ...]
    before: int = 0
    """So many bytes before the end of what was seen, at most, the core may end."""
    endless: str = ""
    """Where this is seen the core may end further away: the whole text counts as near a landmark."""

    @property
    def is_one(self) -> bool:
        """Whether what is looked for is the core itself."""
        return self.seen == (self.core,)


_DIGITS = "[0-9](?:[ .()/-]{0,2}[0-9]){4}"
_LONG_RUN = 64
_HEX = "[0-9A-Fa-f]"
_CODES = (
    r"[0-9]\.[0-9]{1,3}\.[0-9]",  # addresses of hosts
    "[0-9][/-][0-9]{2}",  # dates
    "[A-Z][0-9] ?[0-9A-Z]",  # IBANs, postcodes, numbers of people and firms
    # Addresses of devices: as one expression these keep hyperscan busy ten times as long.
    *(f":{_HEX}{{{length}}}:{_HEX}{{1,4}}:" for length in range(1, 5)),
    f"-{_HEX}{{2}}-{_HEX}{{2}}-",
    f"[23]{_HEX}{{3}}:[0-9A-Fa-f:]{{3}}",
)
FIGURES = Landmark(
    "figures",
    "|".join((_DIGITS, *_CODES)),
    # Of a run of digits its end is enough.
    (r"(?:[0-9][ .()/-]{0,2}){4}[0-9](?:[^0-9]|\z)", *_CODES),
    before=_LONG_RUN,
    endless=f"[0-9]{{{_LONG_RUN}}}",
)
_AT = "[0-9A-Za-z._%+~:!$&*=,;/'#?^|-]@"
MAIL = Landmark("mail", _AT, (_AT,))
_RUN = "[0-9A-Za-z_-]{27}"  # few words are as long
KEY = Landmark("key", _RUN, (), endless=_RUN)
LANDMARKS = {landmark.name: landmark for landmark in (MAIL, KEY, FIGURES)}
"""The rarest first: a rule is looked for around the first that all its matches hold."""


def landmark_of(pattern: str) -> str:
    """The name of a landmark that every match of the pattern holds; empty where there is none.

    >>> landmark_of("tel [0-9]{5,9}"), landmark_of("key [0-9]{3}")
    ('figures', '')
    """
    return next((landmark.name for landmark in LANDMARKS.values() if holds(pattern, landmark.core)), "")
