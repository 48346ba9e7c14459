"""Texts that no labelled set holds, drawn anew from a seed: identities, contacts, cards, credentials in many shapes of records, and traps.

    python tests/bench/adversarial.py [--seed N] [--each N] [--misses [KIND]]

The words, separators, shapes and formats were written from the sources of the formats and from what forms and programs look like, not
from the packs, nor from the sets of ../shared/data. For each kind: what was found as that kind, as another kind, and missed, with a word
for it beside the value and without; then the same by the shape that the value stood in; then the trap texts that were hit.
Values come from the checks of python-stdnum, phonenumbers and our validators, drawn until they pass; nobody's, but valid.
"""

from __future__ import annotations

import binascii
import random
import string
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

import phonenumbers
import yaml
from rates import wilson

from decontam.chain import Chain
from decontam.config import chain_of, load_config
from decontam.prove import fill_in
from decontam.types import Strength

DATA = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
COUNTED = set(DATA["counted"])
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
OPEN, CLOSE = "⟦", "⟧"


class Case(NamedTuple):
    kind: str
    shape: str
    told: bool
    """Whether a word for the value stands beside it."""
    text: str
    span: tuple[int, int]


def case(kind: str, shape: str, told: bool, marked: str) -> Case:
    """A text in which ⟦...⟧ marks the value."""
    start, end = marked.index(OPEN), marked.index(CLOSE) - 1
    return Case(kind, shape, told, marked.replace(OPEN, "").replace(CLOSE, ""), (start, end))


def snake(word: str) -> str:
    return word.lower().replace(".", "").replace(" ", "_").replace("-", "_").replace("'", "_")


def camel(word: str) -> str:
    first, *rest = snake(word).split("_")
    return first + "".join(part.capitalize() for part in rest)


def shaped(draw: random.Random, kind: str, word: str, value: str, shapes: dict[str, str]) -> Iterator[Case]:
    """The value behind its word in one of the shapes, drawn at random."""
    shape, template = draw.choice(list(shapes.items()))
    filled = fill_in(template.replace("\\n", "\n").replace("\\t", "\t"), f"{kind} {draw.random()}")
    ready = filled.replace("{Word}", word[:1].upper() + word[1:]).replace("{WORD}", word.upper()).replace("{word}", word)
    ready = ready.replace("{snake}", snake(word)).replace("{camel}", camel(word)).replace("{SNAKE}", snake(word).upper())
    yield case(kind, shape, True, ready.replace("{value}", f"{OPEN}{value}{CLOSE}"))


def bare(draw: random.Random, kind: str, value: str) -> Case:
    shape, template = draw.choice(list(DATA["bare"].items()))
    return case(kind, shape, False, template.replace("\\n", "\n").replace("\\t", "\t").replace("{value}", f"{OPEN}{value}{CLOSE}"))


def ids(draw: random.Random, each: int) -> Iterator[Case]:
    for kind, scheme in DATA["ids"].items():
        for _ in range(each):
            value = fill_in(draw.choice(scheme["values"]), f"{kind} {draw.random()}")
            yield from shaped(draw, kind, draw.choice(scheme["words"]), value, DATA["shapes"])
            if scheme.get("bare"):
                yield bare(draw, kind, fill_in(draw.choice(scheme["bare"]), f"{kind} {draw.random()}"))


def number_of(draw: random.Random, region: str) -> phonenumbers.PhoneNumber:
    """An assigned number of a region, its last digits drawn."""
    kinds = [phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE]
    example = phonenumbers.example_number_for_type(region, draw.choice(kinds)) or phonenumbers.example_number(region)
    plain = str(example.national_number)
    while True:
        made = plain[:-4] + "".join(draw.choices(string.digits, k=4))
        number = phonenumbers.PhoneNumber(example.country_code, int(made), italian_leading_zero=example.italian_leading_zero)
        if phonenumbers.is_valid_number_for_region(number, region):
            return number


def written(draw: random.Random, number: phonenumbers.PhoneNumber) -> tuple[str, str]:
    """How it is written, and the writing."""
    how = draw.choice(["INTERNATIONAL", "E164", "NATIONAL", "NATIONAL", "dots", "00", "bare"])
    if how in ("INTERNATIONAL", "E164", "NATIONAL"):
        return how, phonenumbers.format_number(number, getattr(phonenumbers.PhoneNumberFormat, how))
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    if how == "dots":
        return how, national.replace("(", "").replace(")", "").replace(" ", ".").replace("-", ".")
    if how == "00":
        international = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
        return how, "00" + international[1:]
    return how, "".join(filter(str.isdigit, national))


def phones(draw: random.Random, each: int) -> Iterator[Case]:
    for region, templates in DATA["phones"].items():
        for _ in range(3 * each):
            how, value = written(draw, number_of(draw, region))
            template = draw.choice(templates).replace("\\n", "\n").replace("\\t", "\t")
            marked = fill_in(template, f"{region} {draw.random()}").replace("{value}", f"{OPEN}{value}{CLOSE}")
            yield case("PHONE", f"{region} {how}", True, marked)._replace(kind=f"PHONE {region}", shape=f"phone {how}")


def others(draw: random.Random, each: int) -> Iterator[Case]:
    """Addresses of mail and machines, cards, accounts, names, credentials: templates that hold their recipe."""
    for kind, templates in DATA["others"].items():
        for template in templates:
            for _ in range(max(1, each // 4)):
                yield case(kind, kind, True, fill_in(template.replace("\\n", "\n"), f"{kind} {draw.random()}"))


def credential(draw: random.Random, recipe: str) -> str:
    """A recipe filled in; `crc:ghp_` is a head, 30 characters and their CRC-32, which no drawing meets."""
    if not recipe.startswith("crc:"):
        return fill_in(recipe, str(draw.random()))
    body, digits = "".join(draw.choices(BASE62, k=30)), ""
    number = binascii.crc32(body.encode())
    while number:
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return recipe.removeprefix("crc:") + body + digits.rjust(6, "0")


def secrets(draw: random.Random, each: int) -> Iterator[Case]:
    for kind, recipes in DATA["secrets"]["formats"].items():
        for recipe in recipes:
            shape, template = draw.choice(list(DATA["secrets"]["places"].items()))
            value = credential(draw, recipe)
            yield case(f"SECRET {kind}", f"secret {shape}", True, template.replace("\\n", "\n").replace("{value}", f"{OPEN}{value}{CLOSE}"))
    for vendor in DATA["secrets"]["vendors"]:
        for _ in range(max(1, each // 4)):
            shape, template = draw.choice(list(DATA["secrets"]["named"].items()))
            value = fill_in(draw.choice(DATA["secrets"]["values"]), f"{vendor} {draw.random()}")
            ready = template.replace("\\n", "\n").replace("{vendor}", vendor).replace("{VENDOR}", vendor.upper())
            ready = ready.replace("{Vendor}", vendor.capitalize())
            yield case("SECRET by name", f"secret {shape}", True, ready.replace("{value}", f"{OPEN}{value}{CLOSE}"))
    for kind in ("passwords", "urls"):
        for template in DATA["secrets"][kind]:
            for _ in range(max(1, each // 4)):
                yield case(f"SECRET {kind}", f"secret {kind}", True, fill_in(template.replace("\\n", "\n"), f"{template} {draw.random()}"))


def traps(draw: random.Random, each: int) -> Iterator[tuple[str, str]]:
    for cause, templates in DATA["traps"].items():
        for template in templates:
            for _ in range(each):
                yield cause, fill_in(template.replace("\\n", "\n"), f"{cause} {draw.random()}")


def found(chain: Chain, text: str) -> list[tuple[int, int, str]]:
    said = chain.screen_text(text).findings
    return [(*f.span, f.kind) for f in said if f.strength >= Strength.STRONG or (f.kind in COUNTED and f.strength >= Strength.WEAK)]


def outcome(each: Case, said: list[tuple[int, int, str]]) -> str:
    start, end = each.span
    kind = each.kind.partition(" ")[0]
    there = [name for first, last, name in said if first < end and start < last]
    if kind in there or (kind == "SECRET" and {"SECRET", "URL_CRED"} & set(there)):
        return "found"
    return f"as {there[0]}" if there else "missed"


def show(title: str, groups: dict[str, Counter[str]]) -> None:
    print(f"== {title}")
    for name, counts in sorted(groups.items(), key=lambda item: item[1]["found"] / item[1].total()):
        rest = ", ".join(f"{what} {n}" for what, n in counts.most_common() if what != "found")
        print(f"{name:<28} {wilson(counts['found'], counts.total()):<34} {rest}")


def main(argv: list[str]) -> None:
    option = {name: argv[argv.index(name) + 1] for name in ("--seed", "--each") if name in argv}
    each = int(option.get("--each", 12))
    draw = random.Random(int(option.get("--seed", 7)))
    chain = chain_of(load_config(None, {"stages": {name: {"enabled": name in ("pii", "secrets")} for name in load_config().stages}}))
    made = [*ids(draw, each), *phones(draw, each), *others(draw, each), *secrets(draw, each)]
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    shapes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    wrong = []
    for one in made:
        what = outcome(one, found(chain, one.text))
        kinds[f"{one.kind}{'' if one.told else ' (bare)'}"][what] += 1
        shapes[one.shape][what] += 1
        if what != "found":
            wrong.append((one, what))
    show(f"kinds, {len(made)} texts", kinds)
    show("shapes", shapes)
    hit: defaultdict[str, Counter[str]] = defaultdict(Counter)
    examples = []
    for cause, text in traps(draw, each):
        said = [kind for _, _, kind in found(chain, text) if kind not in COUNTED]
        hit[cause][" ".join(said) or "spared"] += 1
        if said:
            examples.append((cause, said, text))
    total, spared = sum(count.total() for count in hit.values()), sum(count["spared"] for count in hit.values())
    print(f"== traps hit: {wilson(total - spared, total)}")
    for cause, counts in hit.items():
        if len(counts) > 1 or "spared" not in counts:
            print(f"{cause:<28} {dict(counts)}")
    if "--misses" in argv:
        only = argv[argv.index("--misses") + 1 :][:1]
        for one, what in wrong:
            if not only or one.kind.startswith(only[0]) or one.shape.startswith(only[0]):
                start, end = one.span
                marked = f"{one.text[:start]}{OPEN}{one.text[start:end]}{CLOSE}{one.text[end:]}"
                print(f"{one.kind:<18} {one.shape:<16} {what:<14} {marked!r}")
        for example in examples:
            print("TRAP", *example)


if __name__ == "__main__":
    main(sys.argv[1:])
