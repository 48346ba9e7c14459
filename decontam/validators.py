"""Named predicates that a rule may call on a candidate: `luhn`, `entropy:3.5`, `stdnum:br.cpf`, `phone:CN`.

Each takes the matched text and the argument behind the colon, and says whether the candidate may be what it looks
like. They run on candidates only, so clarity goes before speed; heavy libraries are imported by the first call.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from types import ModuleType

from decontam.validators_ids import (
    alnum_of,
    au_medicare,
    cn_ric,
    de_kvnr,
    de_rvnr,
    digits_of,
    eip55,
    fi_hetu,
    hkid,
    iban,
    icao,
    mrz,
    sg_nric,
    tw_id,
    uk_nino,
    us_dea,
    us_npi,
    varied,
    vin,
)  # fmt: skip
from decontam.validators_names import personal_name
from decontam.validators_numbers import (
    aba,
    br_pis,
    dk_cpr,
    eg_national,
    hu_taj,
    hu_tax,
    ir_national,
    kz_iin,
    lu_matricule,
    lv_person,
    ru_snils,
    uy_ci,
)  # fmt: skip
from decontam.validators_secrets import classes, crc32_base62, entropy, jwt, password_like, random_looking, real_value


def luhn(value: str, _: str = "") -> bool:
    """The mod 10 check of ISO/IEC 7812-1, separators ignored.

    >>> luhn("4242 4242 4242 4242"), luhn("4242 4242 4242 4243")
    (True, False)
    """
    digits = [int(digit) for digit in digits_of(value)]
    total = sum(digits[-1::-2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return bool(digits) and total % 10 == 0


# Issuer ranges and lengths, ISO/IEC 7812 as listed by the card schemes: (first, last, lengths).
_ISSUERS = (
    ("34", "34", {15}), ("37", "37", {15}), ("300", "305", {14}), ("36", "36", {14}), ("38", "39", {14}),
    ("3528", "3589", {16}), ("4", "4", {13, 16, 19}), ("51", "55", {16}), ("2221", "2720", {16}),
    ("6011", "6011", {16}), ("62", "62", {16, 17, 18, 19}), ("644", "649", {16}), ("65", "65", {16}),
    ("2200", "2204", {16}), ("50", "50", {16, 17, 18, 19}), ("56", "58", {16, 17, 18, 19}), ("60", "60", {16}),
    ("81", "82", {16}), ("9792", "9792", {16}),
)  # fmt: skip
# Published test numbers; nobody's card.
_SAMPLE_CARDS = ("411111", "424242", "555555555555", "378282246310005", "601111111111", "400000", "511111", "40128888",
                 "3530111333", "40000566", "510510510", "22230031", "30569309", "38520000", "37144963", "52008282",
                 "6200000000", "401288", "60110009", "5431111111", "3566002020", "4222222222")  # fmt: skip


def card(value: str, _: str = "") -> bool:
    """A card number of a known issuer with its length and check digit, and not a published sample.

    >>> card("4242 4242 4242 4242")
    False
    """
    digits = digits_of(value)
    return (
        any(first <= digits[: len(first)] <= last and len(digits) in lengths for first, last, lengths in _ISSUERS)
        and luhn(digits)
        and not digits.startswith(_SAMPLE_CARDS)
        and len(set(digits)) > 3
    )


# Anycast resolvers and the like: everybody's address, nobody's. Widely published.
_SERVICES = {"1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "208.67.222.222", "208.67.220.220", "4.2.2.2",
             "114.114.114.114", "114.114.115.115", "223.5.5.5", "223.6.6.6", "119.29.29.29", "180.76.76.76",
             "2001:4860:4860::8888", "2001:4860:4860::8844", "2606:4700:4700::1111", "2606:4700:4700::1001"}  # fmt: skip


def public_ip(value: str, _: str = "") -> bool:
    """An address that can lead to somebody: routable, and not a well-known public resolver.

    >>> public_ip("93.184.215.14"), public_ip("10.0.0.7"), public_ip("192.0.2.1"), public_ip("8.8.8.8")
    (True, False, False, False)
    """
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast and str(address) not in _SERVICES


# Groups that machines are known to use: control blocks, source-specific and administratively scoped (RFC 5771, RFC 2365).
_GROUPS = tuple(map(ipaddress.ip_network, ("224.0.0.0/14", "232.0.0.0/8", "239.0.0.0/8", "ff00::/8")))


def host_ip(value: str, _: str = "") -> bool:
    """`public_ip`, or an address of multicast space that no group uses: beside "login from" it is some host's, altered or invented.

    >>> host_ip("93.184.215.14"), host_ip("227.84.3.91"), host_ip("224.0.0.251"), host_ip("239.255.255.250")
    (True, True, False, False)
    """
    if public_ip(value):
        return True
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return address.is_multicast and not any(address in group for group in _GROUPS)


@lru_cache(maxsize=256)
def _stdnum(module: str) -> ModuleType:
    return import_module(f"stdnum.{module}")


def stdnum(value: str, module: str) -> bool:
    """What python-stdnum says of it: `stdnum:cn.ric`, `stdnum:iban`.

    >>> stdnum("GB82 WEST 1234 5698 7654 32", "iban")
    True
    """
    return bool(_stdnum(module).is_valid(value))


def compact(value: str, module: str) -> bool:
    """What python-stdnum says of its letters and digits alone, for modules that are choosy about separators.

    >>> stdnum("219 09 9999", "us.ssn"), compact("219 09 9991", "us.ssn")
    (False, True)
    """
    return stdnum(alnum_of(value), module)


_DATES = re.compile(
    r"(?:19|20)\d\d(?:[-./ ](?:0?[1-9]|1[0-2])(?:[-./ ]\d{1,2})?|-(?:19|20)?\d\d)(?:\D.*)?"
    r"|\d{1,2}[-./ ]\d{1,2}[-./ ](?:19|20)\d\d(?:\D.*)?|(?:19|20)\d\d(?:0[1-9]|1[0-2])[0-3]\d"
    r"|(?:0|[1-9]\d*)\.\d+"  # a decimal number
)


def _is_ip(value: str) -> bool:
    try:
        return bool(ipaddress.ip_address(value))
    except ValueError:
        return False


def phone_like(value: str, _: str = "") -> bool:
    """Seven to fifteen digits that are no date, decimal, range of years or IP address, and not one digit over and over.

    >>> phone_like("8123 4567"), phone_like("1998-2004"), phone_like("12.03.2004"), phone_like("0000000"), phone_like("172.22.149.145")
    (True, False, False, False, False)
    """
    value = re.split("x|ext", value, maxsplit=1)[0].strip()
    digits = digits_of(value)
    fiction = digits[-7:-2] == "55501"  # kept free for films by the North American numbering plan
    return 7 <= len(digits) <= 15 and len(set(digits)) > 2 and not fiction and not _DATES.fullmatch(value) and not _is_ip(value)


def phone(value: str, regions: str = "") -> bool:
    """A number that libphonenumber holds to be assigned: `phone` for + and 00, `phone:GB,IN` in one of these countries.

    >>> phone("+44 20 7946 0018"), phone("0044 20 7946 0018"), phone("010-0000", "KR"), phone("020 7946 0018", "FR,GB")
    (True, True, False, True)
    """
    import phonenumbers

    if not phone_like(value):
        return False
    if digits_of(value).startswith("00"):
        value, regions = "+" + digits_of(value)[2:], ""
    for region in regions.split(","):
        try:
            number = phonenumbers.parse(value, region or None)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False


# Mail that reaches nobody: RFC 2606 names, automata, and what templates put in the place of an address.
_NO_MAILBOX = re.compile(
    r"(?:no|do-?not|dont)[-_.]?reply|mailer-daemon|git|svn|hg|x{3,}"
    r"|(?:your?|my|first|last|full|user)?[-_.]?(?:e-?mail|name|user|username)"
)
_NO_DOMAIN = re.compile(
    r"(?:.*\.)?(?:example|invalid|test|localhost|local|localdomain|internal|lan)(?:\.[a-z]{2,3}(?:\.[a-z]{2})?)?"
    r"|(?:your|my|some|the)-?(?:domain|company|e?mail|host|server|website|site)\.[a-z]{2,3}|(?:domain|company|host)\.[a-z]{2,3}"
    r"|(?:foo|bar|baz|acme|test|abc|xyz)\.(?:com|org|net|bar|baz)|users\.noreply\.github\.com"
    r"|[0-9]+x\..*|v?[0-9]+\.[0-9].*"
    r"|.*\.(?:png|jpe?g|gif|svg|webp|ico|bmp|css|js|jsx|tsx?|json|html?|xml|ya?ml|toml|lock|md|txt|pdf|zip|gz|tgz|bz2|whl|jar"
    r"|exe|dll|so|py|rb|go|rs|php|java|cpp|hpp|service|socket|target|timer|mount|get|set|map|length|value|class|attr|prop)"
)


def mailbox(value: str, _: str = "") -> bool:
    """An address that may belong to somebody: no sample domain, no robot, no file, no package version.

    >>> mailbox("ana@posteo.de"), mailbox("ana@example.com"), mailbox("logo@2x.png"), mailbox("noreply@posteo.de")
    (True, False, False, False)
    """
    local, _, domain = value.lower().replace("%40", "@").rpartition("@")
    fine = local and len(local) <= 64 and ":" not in value and "/" not in value and ".." not in value
    return bool(fine) and not local.endswith(".") and not _NO_MAILBOX.fullmatch(local) and not _NO_DOMAIN.fullmatch(domain)


def wide_octet(value: str, _: str = "") -> bool:
    """One of the parts of a dotted quad has three digits, which versions seldom have.

    >>> wide_octet("93.184.215.14"), wide_octet("4.2.27.16")
    (True, False)
    """
    return any(len(part) == 3 for part in value.split("."))


_SAMPLE_MACS = ("001122334455", "aabbccddeeff", "0123456789ab", "123456789abc", "deadbeef", "cafebabe")


def device_mac(value: str, _: str = "") -> bool:
    """A unicast hardware address that is no sample: not a group address, not zeros, at least one letter (IEEE 802).

    >>> device_mac("3c:5a:b4:01:9e:22"), device_mac("01:00:5e:00:00:fb"), device_mac("00:11:22:33:44:55")
    (True, False, False)
    """
    plain = re.sub(r"[^0-9a-f]", "", value.lower())
    if len(plain) != 12 or plain.startswith(_SAMPLE_MACS) or plain.isdigit():
        return False
    return not int(plain[1], 16) & 1 and len(set(plain)) > 3 and plain[:6] != "000000"


def coordinates(value: str, _: str = "") -> bool:
    """Two decimal numbers that may be latitude and longitude, and are not both near zero.

    >>> coordinates("48.137154, 11.576124"), coordinates("482.13715, 11.57612"), coordinates("0.00000, 0.00000")
    (True, False, False)
    """
    numbers = [float(number) for number in re.findall(r"[-+]?(?<!\d)\d+\.\d+", value)]
    return len(numbers) == 2 and abs(numbers[0]) <= 90 and abs(numbers[1]) <= 180 and max(map(abs, numbers)) > 1


def date(value: str, shape: str) -> bool:
    """The digits at the start form a date of the given strptime shape, 1900 to 2100: `date:%y%m%d`.

    >>> date("19900307", "%Y%m%d"), date("19901307", "%Y%m%d")
    (True, False)
    """
    length = len(datetime(2000, 10, 10).strftime(shape))
    try:
        return 1900 <= datetime.strptime(value[:length], shape).year <= 2100
    except ValueError:
        return False


VALIDATORS: dict[str, Callable[[str, str], bool]] = {
    check.__name__: check
    for check in (
        luhn, card, iban, public_ip, wide_octet, device_mac, mailbox, phone, phone_like, coordinates, entropy, stdnum, compact,
        jwt, crc32_base62, date, real_value, cn_ric, fi_hetu, hkid, tw_id, sg_nric, uk_nino, au_medicare, icao, mrz, de_rvnr, de_kvnr,
        us_npi, us_dea, varied, vin, eip55, classes, password_like, random_looking, aba, br_pis, dk_cpr, host_ip,
        personal_name, eg_national, hu_taj, hu_tax, ir_national, kz_iin, lu_matricule, lv_person, ru_snils, uy_ci,
    )
}  # fmt: skip


@lru_cache(maxsize=4096)
def valid(validator: str, value: str) -> bool:
    """Whether `value` passes a validator written as in a rule, `name` or `name:argument`.

    The last answers are remembered: a text that repeats a number pays its 30 microseconds once.
    """
    name, _, argument = validator.partition(":")
    return VALIDATORS[name](value, argument)
