"""Config: YAML -> checked, frozen options -> Chain. The only place that opens packs and other artefacts.

`configs/default.yaml` holds every option with its default; a config of one's own is merged into it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from annotated_types import Ge, Le
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

import decontam
from decontam import retention
from decontam.allowances import Allowance, RecordList, read_list
from decontam.chain import Chain
from decontam.errors import ConfigError, did_you_mean
from decontam.keys import Key
from decontam.policy import Policy
from decontam.redaction import Redactor
from decontam.rules import Rule, Words, read_packs
from decontam.scan import Scanner
from decontam.sites import SiteLists, read_sites
from decontam.stages import STAGES, stage_class, third_party
from decontam.surrogates import Checks

_STRICT = ConfigDict(extra="forbid")
_HERE = Path(decontam.__file__).parent
_PACKS = _HERE / "packs"
_NO_CONFIGS = {"benchmarks"}  # beside them, since an operator edits it too; `decontam.benchmarks` reads it
BUILTIN = "builtin"


@dataclass(frozen=True, config=_STRICT)
class Input:
    text_key: Words
    id_key: str
    screen: Literal["text", "all-strings"]
    provenance_keys: Words
    lang_key: Words
    url_key: Words
    crawl_date_key: Words
    page_date_key: Words
    max_record_bytes: Annotated[int, Ge(1)]
    max_error_rate: Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, config=_STRICT)
class Output:
    kept: Literal["all", "changed", "none"]
    checkpoint_bytes: Annotated[int, Ge(1)]
    zstd_level: Annotated[int, Ge(1), Le(19)]
    quarantine: str | None


@dataclass(frozen=True, config=_STRICT)
class Quarantine:
    original: Literal["keep", "drop"]
    secrets: Literal["keep", "drop"]
    retention: Annotated[Mapping[str, str], AfterValidator(retention.check)]


@dataclass(frozen=True, config=_STRICT)
class StageOptions:
    enabled: bool = True
    packs: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    options: Mapping[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, config=_STRICT)
class Config:
    """A whole configuration, checked. Plain values all through, so it travels to workers as JSON."""

    input: Input
    output: Output
    quarantine: Quarantine
    stages: Mapping[str, StageOptions]
    policy: Policy

    def to_dict(self) -> dict[str, Any]:
        dumped: dict[str, Any] = _CONFIG.dump_python(self, mode="json")
        return _named(dumped)


_CONFIG = TypeAdapter(Config)


def _named(dumped: dict[str, Any]) -> dict[str, Any]:
    """Actions and strengths by name, as they are written in YAML."""
    from decontam.types import Action, Strength

    policy = dumped["policy"]
    for row in policy["actions"]:
        row["action"] = Action(row["action"]).name.lower()
        row["strength"] = Strength(row["strength"]).name.lower()
    for row in policy["combine"]:
        row["strength"] = Strength(row["strength"]).name.lower()
        row["becomes"] = Strength(row["becomes"]).name.lower()
    for row in policy["mask_limits"]:
        row["above"] = Action(row["above"]).name.lower()
    return dumped


def shipped() -> dict[str, Path]:
    """The configs that come with the package, by name: `--config strict` works anywhere."""
    for folder in (_HERE / "configs", _HERE.parent / "configs"):  # in the wheel; in a checkout
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml")) if path.stem not in _NO_CONFIGS}
    raise ConfigError(f"no configs beside {_HERE}; the installation is incomplete, install decontam again")


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except OSError as error:
        names = ", ".join(shipped())
        raise ConfigError(f"{path}: {error.strerror}; name a YAML file or one of {names}{did_you_mean(str(path), shipped())}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if content is not None and not isinstance(content, dict):
        raise ConfigError(f"{path}: a config is a mapping of options, like configs/default.yaml")
    return content or {}


def merged(base: Any, over: Any, path: tuple[str, ...] = ()) -> Any:
    """Options with others over them: mappings key by key, rows of actions in front, all else replaced."""
    if isinstance(base, dict) and isinstance(over, dict):
        return {key: merged(base[key], over[key], (*path, key)) if key in base and key in over else over.get(key, base.get(key))
                for key in {**base, **over}}  # fmt: skip
    if path == ("policy", "actions") and isinstance(over, list):
        return over + base
    return over


def _absolute(options: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Options from a file in `folder`, which their paths are relative to."""
    output = options.get("output")
    if isinstance(output, dict) and isinstance(place := output.get("quarantine"), str) and "://" not in place:
        output["quarantine"] = str(folder / place)
    for allowed in (options.get("policy") or {}).get("allow") or ():
        if isinstance(allowed, dict) and isinstance(path := allowed.get("records"), str):
            allowed["records"] = str(folder / path)
    sites = (options.get("policy") or {}).get("sites")
    for what in ("block", "suspect"):
        if isinstance(sites, dict) and isinstance(path := sites.get(what), str):
            sites[what] = str(folder / path)
    key = (options.get("policy") or {}).get("key")
    if isinstance(key, dict) and isinstance(path := key.get("file"), str):
        key["file"] = str(folder / path)
    for stage in (options.get("stages") or {}).values():
        if isinstance(stage, dict) and isinstance(stage.get("packs"), list):
            stage["packs"] = [pack if pack == BUILTIN else str(folder / str(pack)) for pack in stage["packs"]]
        given = stage.get("options") if isinstance(stage, dict) else None
        if isinstance(given, dict) and isinstance(given.get("indexes"), list):
            given["indexes"] = [str(folder / str(index)) for index in given["indexes"]]
    _absolute_files(((options.get("stages") or {}).get("synthetic") or {}).get("options"), folder)
    _absolute_model(((options.get("stages") or {}).get("ner") or {}).get("options"), folder)
    return options


def _absolute_files(options: Any, folder: Path) -> None:
    """The files that the options of the synthetic stage name, made absolute."""
    if not isinstance(options, dict):
        return
    for named, key in ((options, "model"), (options, "calibration"), (options.get("second_opinion"), "model")):
        if isinstance(named, dict) and isinstance(path := named.get(key), str) and path != BUILTIN:
            named[key] = str(folder / path)


def _absolute_model(options: Any, folder: Path) -> None:
    """The folder that `engine:FOLDER` names, made absolute; what has no slash is a package."""
    if isinstance(options, dict) and isinstance(model := options.get("model"), str):
        engine, _, place = model.partition(":")
        if "/" in place:
            options["model"] = f"{engine}:{folder / place}"


def _explained(error: ValidationError, where: str) -> ConfigError:
    """The first problem in a sentence: where it stands, what is wrong, what was probably meant."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    dotted = ".".join(place)
    if first["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        siblings = _keys_at(place[:-1])
        return ConfigError(f"{where}: unknown key {dotted!r}{did_you_mean(place[-1], siblings)}")
    if first["type"] in {"missing", "missing_argument"}:
        return ConfigError(f"{where}: {'.'.join(place[:-1])} lacks {place[-1]!r}")
    # Who writes a key where its place should be named need not read it in a log.
    seen = "" if dotted.startswith("policy.key") else f" (found {str(first['input'])[:60]!r})"
    return ConfigError(f"{where}: {dotted}: {first['msg'].removeprefix('Value error, ')}{seen}")


def _keys_at(place: list[str]) -> list[str]:
    """Keys that the schema knows at a place; list indices and stage names fit any."""
    schema = json_schema()
    node: Any = schema
    for part in place:
        node = _resolve(node, schema)
        node = node.get("properties", {}).get(part) or node.get("items") or node.get("additionalProperties") or {}
    return list(_resolve(node, schema).get("properties", {}))


def _resolve(node: Any, schema: dict[str, Any]) -> dict[str, Any]:
    while isinstance(node, dict) and "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node if isinstance(node, dict) else {}


def json_schema() -> dict[str, Any]:
    """JSON Schema of a complete config, for editors. Actions and strengths are written by name."""
    return _CONFIG.json_schema()


def check(options: dict[str, Any], where: str = "config") -> Config:
    """A complete mapping of options, checked. Raises ConfigError with one sentence."""
    try:
        config = _CONFIG.validate_python(options)
    except ValidationError as error:
        raise _explained(error, where) from None
    known = {**STAGES, **third_party()}
    for name in config.stages:
        if name not in known:
            raise ConfigError(f"{where}: unknown stage {name!r}{did_you_mean(name, known)}; known: {', '.join(known)}")
    for allowed in config.policy.allow:
        try:
            date.fromisoformat(allowed.expires)
        except ValueError:
            raise ConfigError(f"{where}: policy.allow: expires: {allowed.expires!r} is not a date, YYYY-MM-DD") from None
    return config


def load_config(name: str | Path | None = None, overrides: Mapping[str, Any] | None = None) -> Config:
    """The config in a file, or shipped under that name, or the default, merged into the defaults.

    `overrides` is merged last: `{"input": {"text_key": "content"}}`. Raises ConfigError.
    """
    configs = shipped()
    options = _absolute(_read_yaml(configs["default"]), configs["default"].parent)
    where = "default"
    if name is not None and str(name) != "default":
        path = configs.get(str(name), Path(name))
        where = str(name)
        options = merged(options, _absolute(_dates_as_text(_read_yaml(path)), path.resolve().parent))
    return check(merged(options, dict(overrides or {})), where)


def with_indexes(config: Config, indexes: Sequence[str], key_env: str | None = None, key_file: str | None = None) -> Config:
    """The same config with more indexes of known texts, and with the key that is named. Raises ConfigError."""
    if not indexes and key_env is None and key_file is None:
        return config
    options = config.to_dict()
    known = options["stages"].setdefault("known", {"options": {}})
    if indexes:
        known["enabled"] = True
        known["options"]["indexes"] = [*known["options"].get("indexes", ()), *(str(Path(index).absolute()) for index in indexes)]
    if key_env is not None or key_file is not None:
        if key_env is not None and key_file is not None:
            raise ConfigError("--key-env, --key-file: name one place for the key")
        options["policy"]["key"] = {"env": key_env, "file": None if key_file is None else str(Path(key_file).absolute())}
    return check(options)


def _dates_as_text(value: Any) -> Any:
    """YAML makes a date of 2027-12-31; JSON has none."""
    if isinstance(value, dict):
        return {key: _dates_as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_dates_as_text(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value


def expired(config: Config, today: date) -> tuple[str, ...]:
    """A sentence for each allowance whose last day has passed."""
    return tuple(
        f"policy.allow: {allowed.reason!r} by {allowed.by} expired on {allowed.expires} and is ignored"
        for allowed in config.policy.allow
        if date.fromisoformat(allowed.expires) < today
    )


def pack_paths(stage: str, packs: tuple[str, ...]) -> list[Path]:
    """The pack files that a stage's `packs` name, in order. Raises ConfigError."""
    paths: list[Path] = []
    for pack in packs:
        path = _PACKS / stage if pack == BUILTIN else Path(pack)
        if not path.exists():
            raise ConfigError(f"stages.{stage}.packs: {pack} does not exist; name a YAML file, a folder of them, or {BUILTIN!r}")
        paths += sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    return paths


def rules_of(config: Config) -> tuple[Rule, ...]:
    """All rules that the config switches on. Raises RuleError, ConfigError."""
    rules: list[Rule] = []
    for stage, options in config.stages.items():
        if options.enabled:
            read = read_packs(pack_paths(stage, options.packs))
            rules += [rule for rule in read if not any(fnmatchcase(rule.id, name) for name in options.disable)]
    return tuple(rules)


@lru_cache(maxsize=8)
def _scanner(rules: tuple[Rule, ...]) -> Scanner:
    return Scanner(rules)


def chain_of(config: Config, today: date | None = None, without: AbstractSet[str] = frozenset()) -> Chain:
    """The chain that a config describes, `without` some of its rules. Raises ConfigError, RuleError, ArtefactError.

    A stage that has nothing to look for is left out: its `load` returns None. One that says it is `keyed` is given the key, one that is
    `accompanied` the rules that say `beside`.

    Allowances that expired before `today` (by default: today) are left out here, so that the chain itself needs no clock.
    """
    listed = sites_of(config)
    rules = tuple(rule for rule in rules_of(config) if rule.name not in without)
    scanner = _scanner(tuple(rule for rule in rules if rule.beside is None))
    known = {**STAGES, **third_party()}
    day = today or date.today()
    current = tuple(allowed for allowed in config.policy.allow if date.fromisoformat(allowed.expires) >= day)
    key = key_of(config)
    stages = []
    for name, where in known.items():
        options = config.stages.get(name)
        if options is not None and options.enabled:
            made = stage_class(where)
            keyed = {"key": key} if getattr(made, "keyed", False) else {}
            stage = made.load(options.options, scanner, **keyed, **_companions(made, name, rules))
            if stage is not None:
                stages.append(stage)
    lists = tuple(known for known, _ in _lists(current, key))
    return Chain(tuple(stages), replace(config.policy, allow=current), Redactor(key, _checks(rules)), lists, listed)


def _companions(made: Any, name: str, rules: tuple[Rule, ...]) -> dict[str, Scanner]:
    """The rules of a stage that count only beside others, which it looks for itself."""
    beside = tuple(rule for rule in rules if rule.stage == name and rule.beside is not None)
    if beside and not getattr(made, "accompanied", False):
        raise ConfigError(f"stages.{name}: {beside[0].id} says 'beside', which this stage does not look for; use within or context")
    return {"companions": _scanner(beside)} if beside else {}


def sites_of(config: Config) -> SiteLists | None:
    """The sites that a config blocks or suspects; None where it names none. Raises ConfigError."""
    named = config.policy.sites
    if named.block is None and named.suspect is None:
        return None
    contents = []
    for what, path in (("block", named.block), ("suspect", named.suspect)):
        try:
            contents.append(Path(path).read_text("utf-8") if path is not None else "")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8"
            raise ConfigError(f"policy.sites.{what}: {path}: {why}; name a list that decontam sites --write FILE.txt made") from None
    block, suspect = contents
    return SiteLists(read_sites(block), read_sites(suspect), hashlib.sha256("\0".join(contents).encode()).hexdigest()[:12])


def _lists(allow: Iterable[Allowance], key: Key | None) -> list[tuple[RecordList, str]]:
    """The lists of records that are named, each with its SHA-256. Raises ConfigError."""
    try:
        found = {allowed.records: Path(allowed.records).read_text("utf-8") for allowed in allow if allowed.records}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"policy.allow: records: {error}; name a list that decontam quarantine release wrote") from None
    return [(read_list(path, content, key), hashlib.sha256(content.encode()).hexdigest()) for path, content in found.items()]


def _checks(rules: tuple[Rule, ...]) -> Mapping[str, Checks]:
    """What a surrogate of each kind must fail: the validators of each of its rules."""
    checks: dict[str, list[tuple[str, ...]]] = {}
    for rule in rules:
        checks.setdefault(rule.kind, []).append(rule.validator)
    return checks


def key_of(config: Config) -> Key | None:
    """The key that a config names; it is read here and travels with nothing. Raises ConfigError where it lacks one that it needs."""
    if config.policy.key is not None:
        return config.policy.key.read()
    if config.policy.needs_key:
        raise ConfigError(
            "policy.redaction: pseudonyms and surrogates need a key; say where it is with policy.key: {env: NAME} or {file: PATH}"
        )
    return None


def artefacts_of(config: Config) -> dict[str, dict[str, str]]:
    """The files that stages read beside their packs: group in the manifest (`indexes`, `models`) -> name -> digest.

    A stage class that reads any has `artefacts(options)`, which gives names and digests and must be cheap, and `artefact_group`.
    Raises ArtefactError where one cannot be used.
    """
    found: dict[str, dict[str, str]] = {"indexes": {}, "models": {}}
    for name, where in {**STAGES, **third_party()}.items():
        options = config.stages.get(name)
        if options is not None and options.enabled and (told := getattr(stage_class(where), "artefacts", None)) is not None:
            found[getattr(stage_class(where), "artefact_group", "models")].update(told(options.options))
    return found


def fingerprint(config: Config, rules: tuple[Rule, ...]) -> str:
    """A digest of all that decides what a run writes: options, revisions of rules, digests of indexes and models, version of the code."""
    key = key_of(config)
    content = {
        "artefacts": artefacts_of(config),
        "config": config.to_dict(),
        "key": key.id if key else None,
        "rules": sorted(f"{rule.name}@{rule.revision}" for rule in rules),
        "lists": [digest for _, digest in _lists(config.policy.allow, key)],
        "sites": sites.revision if (sites := sites_of(config)) else None,
        "version": decontam.__version__,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
