"""Rule: one thing to find, with its own proof; and the reading of packs, which are YAML files full of rules.

A pack names the stage that its rules belong to:

    stage: signatures
    about: What the OpenAI API puts around an answer.
    rules:
      - id: openai.chat-completion-id
        ...

A rule without text that it catches and near misses that it spares does not load. `(?&name)` in a pattern stands for a
piece that rules share: one of packs/_shared/fragments.yaml, or of the pack's own `fragments`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import re2
import yaml
from annotated_types import Ge, Le
from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from decontam import landmarks, patterns, validators
from decontam.cache import cached, key_of
from decontam.errors import RuleError, did_you_mean
from decontam.landmarks import LANDMARKS, landmark_of
from decontam.patterns import longest
from decontam.types import PROVENANCE, Strength
from decontam.validators import VALIDATORS

_LONGEST_ANCHOR = 64
LARGEST_PROGRAM = 5000
"""RE2 instructions of the largest pattern that may be a gate: hyperscan is slow with larger ones, and some it compiles for minutes."""
_LEAD = r"""[\s"'“>*#/|;-]{0,6}"""  # what may stand before the first word of a text
_STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


def strength_named(value: Any) -> Any:
    """A strength from its name in a pack or a config; other values pass, for pydantic to judge."""
    if not isinstance(value, str):
        return value
    try:
        return Strength[value.upper()]
    except KeyError:
        known = [strength.name.lower() for strength in Strength]
        raise ValueError(f"is one of {', '.join(known)}{did_you_mean(value, known)}") from None


def _tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_tuple)]


@dataclass(frozen=True, config=_STRICT)
class Nearby:
    """Words to look for around a span, in any case; words in spaced scripts count only as whole words.

    `characters` is how far to look on each side; `before` looks on the left alone. `required` says what their absence
    means for `context`: no finding, or (false) a finding one step weaker.
    """

    words: Words
    characters: int = 60
    before: bool = False
    required: bool = True


@dataclass(frozen=True, config=_STRICT)
class Within:
    """Literals (in any case) of which one must stand at most `characters` from the span: a gap outside the pattern."""

    anchors: Words
    characters: int = 200


@dataclass(frozen=True, config=_STRICT)
class Together:
    """The pattern names one of several things, and `distinct` of them must stand in at most `bytes` of UTF-8.

    Things differ by their first word (`"choices": [` is choices), in any case. What is found reaches from first to last.
    """

    distinct: Annotated[int, Ge(2)]
    bytes: Annotated[int, Ge(1), Le(10000)] = 1500


@dataclass(frozen=True, config=_STRICT)
class Beside:
    """So many validated findings of the stage must lie at most `characters` away, in the same text; companions of others."""

    findings: Annotated[int, Ge(1)]
    characters: Annotated[int, Ge(1), Le(1000)] = 200


@dataclass(frozen=True, config=_STRICT)
class Rule:
    """One thing to find. The fields, in the order in which a rule is written:

    id            stable for ever; `deprecated_by` when replaced
    kind          the label: API_PAYLOAD, EMAIL, CN_RIC ...
    provider      whose trace it is, one or several; empty for PII and secrets
    strength      what the finding says by itself
    role          `assistant`: only in texts that say so of themselves, or say nothing; `provenance`: only in provenance keys
    languages     the languages of the text it is for, "*" for any
    why, source   a sentence for the reviewer; where the fact is documented or was seen
    anchors       literals of at most 64 characters (any case), one of which every find holds: the cheap gate
    pattern       RE2 syntax with bounded repeats; if it captures, the first group is the span
    gate          what the first pass looks for, where the default is slow (tests/bench/rules.py): "anchors", "around" them, "pattern",
                  the name of a landmark, or an expression rarer than the anchors; every find holds these too
    not_before, not_after   characters that may not stand next to the match, written as inside [...]
    disguised     only where letters were swapped for look-alikes, or invisible ones put between them: people do not do that
    opens         keys of data; the match must begin the text, or in a row of data the string under one of them
    together      how many different things of those that the pattern names must stand side by side
    within, context, unless what must, should or must not stand near by
    beside        how many findings of other rules must lie near, in a stage that looks for companions (`pii` does)
    validator     names from validators.py, each maybe with an argument: `luhn`, `entropy:3.5`, `stdnum:br.cpf`
    catches, spares, known_misses   the proof; ⟦...⟧ marks what must be found, %{...} is filled in (prove.py)
    """

    id: str
    kind: str
    why: str
    source: str
    pattern: str
    catches: Words
    spares: Words
    stage: str
    strength: Annotated[Strength, BeforeValidator(strength_named)]
    provider: Words = ()
    languages: Words = ("*",)
    role: str | None = None
    anchors: Words = ()
    not_before: str = ""
    not_after: str = ""
    disguised: bool = False
    opens: Words = ()
    together: Together | None = None
    within: Within | None = None
    context: Nearby | None = None
    unless: Nearby | None = None
    beside: Beside | None = None
    validator: Words = ()
    known_misses: Words = ()
    gate: str | None = None
    deprecated_by: str | None = None
    revision: str = field(default="", compare=False)
    program: int = field(default=0, compare=False)
    """How many RE2 instructions the pattern takes."""
    reach: int | None = field(default=None, compare=False)
    """How many characters a match and its neighbours can take; None where that is very many."""
    landmark: str = field(default="", compare=False)
    """What stands in every match, of `landmarks`; empty if nothing does."""

    @property
    def name(self) -> str:
        return f"{self.stage}/{self.id}"

    def hears(self, role: str | None) -> bool:
        """Whether the rule looks at texts of that role."""
        return role == PROVENANCE == self.role if PROVENANCE in (role, self.role) else self.role in (None, role) or role is None

    @property
    def held(self) -> str:
        """What a gate of its own says that every find holds; empty if it has none."""
        if self.gate in (None, "anchors", "around", "pattern"):
            return ""
        return LANDMARKS[self.gate].core if self.gate in LANDMARKS else self.gate

    @property
    def bounded(self) -> str:
        """The pattern with its forbidden neighbours written out: outer group 1 is the pattern."""
        left = _LEAD if self.opens else f"(?:^|[^{self.not_before}])" if self.not_before else ""
        right = f"(?:$|[^{self.not_after}])" if self.not_after else ""
        return f"{left}({self.pattern}){right}"


_RULE = TypeAdapter(Rule)
_RULES = TypeAdapter(list[Rule])
_FRAGMENTS = Path(__file__).parent / "packs" / "_shared" / "fragments.yaml"
# What decides whether a pack that was good is good still.
_JUDGES = (__file__, validators.__file__, patterns.__file__, landmarks.__file__, _FRAGMENTS)
_CODE = "".join(Path(file).read_text("utf-8") for file in _JUDGES)
_FIELDS = sorted(set(Rule.__dataclass_fields__) - {"stage", "revision", "program", "reach", "landmark"})
_UNBOUNDED = re.compile(r"\\.|\[(?:\\.|\[:\w+:\]|[^\]\\])+\]|([*+]|\{\d+,\})", re.DOTALL)


def problems(rule: Rule) -> Iterator[str]:
    """What is wrong with a rule before it has met any text."""
    if not rule.catches:
        yield "has no 'catches'; add at least one text in which ⟦...⟧ marks what must be found"
    if not rule.spares:
        yield "has no 'spares'; add at least one piece of ordinary text that looks close but must be kept"
    for anchor in rule.anchors:
        if not 0 < len(anchor) <= _LONGEST_ANCHOR:
            yield f"has an anchor of {len(anchor)} characters; 1 to {_LONGEST_ANCHOR} are allowed"
    for validator in rule.validator:
        if validator.partition(":")[0] not in VALIDATORS:
            yield f"names an unknown validator {validator!r}{did_you_mean(validator, VALIDATORS)}"
    unbounded = next((m.group(1) for m in _UNBOUNDED.finditer(rule.pattern) if m.group(1)), None)
    if unbounded:
        yield f"has an unbounded repeat {unbounded!r} in its pattern; write {{0,n}}, so that time stays linear"
    try:
        compile_pattern(rule.held)
        compiled = compile_pattern(rule.bounded)
    except re2.error as error:
        said = error.args[0]
        yield f"has a pattern that RE2 refuses: {said.decode() if isinstance(said, bytes) else said}"
    else:
        if compile_pattern(f"^(?:{rule.pattern})").search(b""):
            yield "has a pattern that matches the empty text"
        if compiled.groups > 2:
            yield "captures more than one group; use (?:...) for all but the span"


@lru_cache(maxsize=8192)
def compile_pattern(pattern: str) -> Any:
    """A pattern compiled by RE2 for bytes. Raises re2.error."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    return re2.compile(pattern.encode(), options)


_SAYS_NOTHING = {"why", "source", "catches", "spares", "known_misses", "gate"}


def _revision(entry: dict[str, Any]) -> str:
    """The same for the same rule, whatever its prose or its examples say."""
    said = {key: entry[key] for key in sorted(entry) if key not in _SAYS_NOTHING}
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:12]


def rule_from(entry: Any, stage: str, where: str) -> Rule:
    """One rule from one YAML entry. Raises RuleError, which names the rule, the key and a likely correction."""
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        raise RuleError(f"{where}: every rule is a mapping with an 'id'; found {str(entry)[:60]!r}")
    name = f"{where}: rule {entry['id']!r}"
    for key in entry:
        if key not in _FIELDS:
            raise RuleError(f"{name} has unknown key {key!r}{did_you_mean(str(key), _FIELDS)}")
    try:
        rule = _RULE.validate_python({"catches": (), "spares": (), **entry, "stage": stage, "revision": _revision(entry)})
    except ValidationError as error:
        first = error.errors()[0]
        raise RuleError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    for problem in problems(rule):
        raise RuleError(f"{name} {problem}")
    program = compile_pattern(rule.bounded).programsize
    landmark = rule.gate if rule.gate in LANDMARKS else landmark_of(rule.pattern)
    return replace(rule, program=program, reach=longest(rule.bounded), landmark=landmark)


_FRAGMENT = re.compile(r"\(\?&(\w+)\)")


def _filled(entry: Any, fragments: Mapping[str, str], where: str) -> Any:
    """The entry of a rule with the fragments that its pattern names. Raises RuleError where one is unknown."""
    if not isinstance(entry, dict) or not isinstance(entry.get("pattern"), str):
        return entry

    def piece(match: re.Match[str]) -> str:
        name = match.group(1)
        if not isinstance(fragments.get(name), str):
            raise RuleError(f"{where}: rule {entry.get('id')!r} names an unknown fragment {name!r}{did_you_mean(name, fragments)}")
        return f"(?:{fragments[name]})"

    return {**entry, "pattern": _FRAGMENT.sub(piece, entry["pattern"])}


def _read(text: str) -> Any:
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe


def _parsed(path: Path, text: str) -> list[Rule]:
    try:
        pack = _read(text)
    except yaml.YAMLError as error:
        raise RuleError(f"{path.name}: not YAML: {error}") from None
    if not isinstance(pack, dict) or not isinstance(pack.get("rules"), list) or not isinstance(pack.get("stage"), str):
        raise RuleError(f"{path.name}: a pack is a mapping with 'stage', 'about' and a list 'rules'")
    own = pack.get("fragments", {})
    if not isinstance(own, dict):
        raise RuleError(f"{path.name}: 'fragments' is a mapping of names to pieces of patterns")
    fragments = {**_read(_FRAGMENTS.read_text("utf-8")), **own}
    return [rule_from(_filled(entry, fragments, path.name), pack["stage"], path.name) for entry in pack["rules"]]


def read_pack(path: Path) -> tuple[Rule, ...]:
    """The rules of one pack. Raises RuleError; OSError where the file cannot be read.

    A pack that was read before comes from the cache: to parse and check a thousand rules takes two seconds.
    """
    text = path.read_text("utf-8")
    name = f"{key_of(text, path.name, _CODE)}.pack"
    return tuple(_RULES.validate_json(cached(name, lambda: _RULES.dump_json(_parsed(path, text)))))


def read_packs(paths: Iterable[Path]) -> tuple[Rule, ...]:
    """The rules of several packs, in order. Raises RuleError where two rules of a stage share an id."""
    rules: dict[str, tuple[Rule, Path]] = {}
    for path in paths:
        for rule in read_pack(path):
            if rule.name in rules:
                raise RuleError(f"{path.name}: rule {rule.id!r} stands already in {rules[rule.name][1].name}; ids are unique")
            rules[rule.name] = rule, path
    return tuple(rule for rule, _ in rules.values())
