"""Checks for identity numbers that python-stdnum 2.2 lacks, or holds too narrowly. `validators` names them for rules.

Each says whether the value may be what it looks like; separators are ignored unless the docstring says otherwise.
"""

from __future__ import annotations

import re
import string
from datetime import datetime

_LETTERS = {letter: number for number, letter in enumerate(string.ascii_uppercase, 10)}


def digits_of(value: str) -> str:
    """What is left of "4111-1111 ..." once only digits count: "41111111"."""
    return "".join(filter(str.isdecimal, value))


def alnum_of(value: str) -> str:
    """What is left of "ab 12.34-c" once only letters and digits count, in capitals: "AB1234C"."""
    return "".join(c for c in value if c.isascii() and c.isalnum()).upper()


def varied(value: str, _: str = "") -> bool:
    """Not a number that people make up: 123456789, one digit over and over, a sample of the authority.

    >>> varied("123-45-6789"), varied("111.111.111-11"), varied("078-05-1120"), varied("219-07-4302")
    (False, False, False, True)
    """
    digits = digits_of(value)
    return len(set(digits)) > 2 and digits[:8] not in "01234567890123456789876543210" and digits != "078051120"


def _number(character: str) -> int:
    return int(character) if character.isdecimal() else _LETTERS[character]


def _weighted(digits: str, *weights: int) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _is_date(digits: str, shape: str) -> bool:
    try:
        return datetime.strptime(digits, shape) <= datetime(2100, 1, 1)
    except ValueError:
        return False


# Lengths of the SWIFT IBAN registry, and of the partial IBANs that banks in other countries print (php-iban registry).
_IBAN_LENGTHS = {
    length: countries.split()
    for length, countries in (
        (15, "NO"), (16, "BE BI AA"), (18, "DK FI FO GL NL SD FK AX"), (19, "MK SI"),
        (20, "AT BA EE KZ LT LU XK MN"), (21, "CH HR LI LV"), (22, "BG BH CR DE GB GE IE ME RS VA IM GG JE"),
        (23, "AE GI IL IQ OM SO TL"), (24, "AD CZ ES MD PK RO SA SE SK TN VG DZ"), (25, "LY PT ST AO CV GW MZ"),
        (26, "IR IS TR"), (28, "AL AZ BY CY DO GT HU LB NI PL SV BJ CI MA ML NE SN TG HN"),
        (27, "BF BI CM CF TD KM CG DJ FR GR IT GQ GF PF TF GP MQ YT NC RE BL MF PM WF GA MC MG MR SM"),
        (29, "BR EG PS QA UA"), (30, "JO KW MU YE"), (31, "MT SC"), (32, "LC NI"), (33, "RU"),
    )
}  # fmt: skip


def iban(value: str, _: str = "") -> bool:
    """ISO 13616: the length of its country, and the remainder 1 modulo 97.

    >>> iban("GB82 WEST 1234 5698 7654 32"), iban("GB83 WEST 1234 5698 7654 32"), iban("GB82 WEST 1234")
    (True, False, False)
    """
    compact = alnum_of(value)
    if compact[:2] not in _IBAN_LENGTHS.get(len(compact), ()) or len(set(compact[4:])) < 2:
        return False
    return int("".join(str(_number(c)) for c in compact[4:] + compact[:4])) % 97 == 1


def cn_ric(value: str, _: str = "") -> bool:
    """Resident id of GB 11643: province, date of birth, check character (ISO 7064, mod 11-2).

    >>> cn_ric("11010519491231002X"), cn_ric("110105194912310020")
    (True, False)
    """
    compact = alnum_of(value)
    if not re.fullmatch(r"(?:[1-6][1-7]|50|71|8[1-3]|91)\d{15}[\dX]", compact) or not _is_date(compact[6:14], "%Y%m%d"):
        return False
    return "10X98765432"[_weighted(compact[:17], *(2**n % 11 for n in range(17, 0, -1))) % 11] == compact[17]


def fi_hetu(value: str, _: str = "") -> bool:
    """Finnish personal identity code: birth date, sign of the century, serial, check character modulo 31.

    >>> fi_hetu("131052-308T"), fi_hetu("131052Y308T"), fi_hetu("131052-308U")
    (True, True, False)
    """
    shape = re.fullmatch(r"(\d{4})(\d\d)([-+A-FU-Y])(\d{3})([0-9A-Y])", value)
    if not shape:
        return False
    century = {"+": "18", **dict.fromkeys("-UVWXY", "19")}.get(shape[3], "20")
    fine = _is_date(shape[1] + century + shape[2], "%d%m%Y") and shape[4] > "001"
    return fine and "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(shape[1] + shape[2] + shape[4]) % 31] == shape[5]


def hkid(value: str, _: str = "") -> bool:
    """Hong Kong identity card: one or two letters, six digits, a check character modulo 11 (Immigration Department).

    >>> hkid("A123456(3)"), hkid("A123456(4)")
    (True, False)
    """
    compact = alnum_of(value)
    if not re.fullmatch(r"[A-Z]{1,2}\d{6}[\dA]", compact):
        return False
    numbers = [36] * (9 - len(compact)) + [_number(character) for character in compact[:-1]]
    return (sum(n * weight for n, weight in zip(numbers, range(9, 1, -1), strict=True)) + _number(compact[-1])) % 11 == 0


_TW_LETTERS = dict(zip("ABCDEFGHJKLMNPQRSTUVXYWZIO", range(10, 36), strict=True))


def tw_id(value: str, _: str = "") -> bool:
    """Taiwanese identity card, or residence certificate of 2021: a letter, nine digits, modulo 10.

    >>> tw_id("A000000000"), tw_id("A12345678")
    (False, False)
    """
    compact = alnum_of(value)
    if not re.fullmatch(r"[A-Z][1289]\d{8}", compact):
        return False
    plain = str(_TW_LETTERS[compact[0]]) + compact[1:]
    return _weighted(plain, 1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1) % 10 == 0 and compact[1:] != "123456789"


def sg_nric(value: str, _: str = "") -> bool:
    """Singapore's NRIC and FIN: S, T, F, G or M, seven digits, a check letter (ICA).

    >>> sg_nric("S0000001I"), sg_nric("S0000001A")
    (True, False)
    """
    compact = alnum_of(value)
    if not re.fullmatch(r"[STFGM]\d{7}[A-Z]", compact):
        return False
    total = _weighted(compact[1:8], 2, 7, 6, 5, 4, 3, 2) + {"T": 4, "G": 4, "M": 3}.get(compact[0], 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "M": "KLJNPQRTUWX"}.get(compact[0], "XWUTRQPNMLK")
    return letters[10 - total % 11 if compact[0] == "M" else total % 11] == compact[8]


def uk_nino(value: str, _: str = "") -> bool:
    """National Insurance number: an allowed prefix, six digits, a suffix A to D (HMRC NIM39110).

    >>> uk_nino("BG 00 00 00 A"), uk_nino("QQ 12 34 56 C")
    (False, False)
    """
    compact = alnum_of(value)
    shape = re.fullmatch(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]", compact)
    return bool(shape) and compact[:2] not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"} and compact[2:8] != "123456"


def au_medicare(value: str, _: str = "") -> bool:
    """Australian Medicare card: starts with 2 to 6, check digit at 9, issue number at 10, maybe a person at 11.

    >>> au_medicare("2000 00000 1"), au_medicare("2000 00002 1")
    (False, True)
    """
    digits = digits_of(value)
    if len(digits) not in (10, 11) or digits[0] not in "23456" or digits[9] == "0":
        return False
    return _weighted(digits[:8], 1, 3, 7, 9, 1, 3, 7, 9) % 10 == int(digits[8])


def icao(value: str, _: str = "") -> bool:
    """A document number whose last digit checks the rest with weights 7, 3, 1 (ICAO Doc 9303, part 3, 4.9).

    >>> icao("L898902C36"), icao("L898902C37")
    (True, False)
    """
    body, check = value[:-1].upper(), value[-1:]
    if not check.isdecimal() or not re.fullmatch(r"[0-9A-Z<]+", body):
        return False
    return sum(_number(c) * (7, 3, 1)[at % 3] for at, c in enumerate(body) if c != "<") % 10 == int(check)


def mrz(value: str, _: str = "") -> bool:
    """The second line of a passport's machine-readable zone: number, birth and expiry each with its check digit.

    >>> mrz("L898902C36UTO7408122F1204159ZE184226B<<<<<10")
    True
    """
    return len(value) == 44 and icao(value[:10]) and icao(value[13:20]) and icao(value[21:28])


def de_rvnr(value: str, _: str = "") -> bool:
    """German pension insurance number (VKVV, section 4): area, birth date, letter of the name, serial, check digit.

    >>> de_rvnr("15070649C103"), de_rvnr("15070649C104")
    (True, False)
    """
    compact = alnum_of(value)
    if not re.fullmatch(r"\d{8}[A-Z]\d{3}", compact) or not _is_date(compact[2:6] + "2000", "%d%m%Y"):
        return False
    plain = compact[:8] + f"{_LETTERS[compact[8]] - 9:02}" + compact[9:11]
    products = (int(digit) * weight for digit, weight in zip(plain, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True))
    return sum(sum(divmod(product, 10)) for product in products) % 10 == int(compact[11])


def de_kvnr(value: str, _: str = "") -> bool:
    """German health insurance number (SGB V, section 290): a letter, eight digits, a Luhn-like check digit.

    >>> de_kvnr("A123456780"), de_kvnr("A123456781")
    (True, False)
    """
    compact = alnum_of(value)
    if not re.fullmatch(r"[A-Z]\d{9}", compact):
        return False
    plain = f"{_LETTERS[compact[0]] - 9:02}" + compact[1:9]
    return sum(sum(divmod(int(digit) * (1 + at % 2), 10)) for at, digit in enumerate(plain)) % 10 == int(compact[9])


def us_npi(value: str, _: str = "") -> bool:
    """US provider number: Luhn over 80840 and the ten digits (45 CFR 162.406).

    >>> us_npi("1234567893"), us_npi("1234567894")
    (True, False)
    """
    digits = "80840" + digits_of(value)
    return len(digits) == 15 and sum(sum(divmod(int(digit) * (1 + at % 2), 10)) for at, digit in enumerate(digits)) % 10 == 0


def us_dea(value: str, _: str = "") -> bool:
    """US DEA registration: two letters, six digits, a check digit.

    >>> us_dea("AB1234563"), us_dea("AB1234564")
    (True, False)
    """
    digits = digits_of(value)
    return len(digits) == 7 and (_weighted(digits[0:6:2], 1, 1, 1) + 2 * _weighted(digits[1:6:2], 1, 1, 1)) % 10 == int(digits[6])


_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", [*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)], strict=True))


def vin(value: str, check: str = "") -> bool:
    """A vehicle number: 17 characters that mix letters and digits; `vin:check` wants the check digit of North America too.

    >>> vin("1M8GDM9AXKP042788", "check"), vin("1M8GDM9A1KP042788", "check"), vin("12345678901234567")
    (True, False, False)
    """
    compact = value.upper()
    if len(compact) != 17 or not 2 <= len(digits_of(compact)) <= 15:
        return False
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    numbers = (int(c) if c.isdigit() else _VIN_VALUES.get(c, 0) for c in compact)
    total = sum(n * weight for n, weight in zip(numbers, weights, strict=True))
    return not check or "0123456789X"[total % 11] == compact[8]


_KECCAK_TURNS = ((0, 1, 62, 28, 27), (36, 44, 6, 55, 20), (3, 10, 43, 25, 39), (41, 45, 15, 21, 8), (18, 2, 61, 56, 14))
_WORD = (1 << 64) - 1


def _keccak_f(a: list[list[int]]) -> list[list[int]]:
    def turned(word: int, by: int) -> int:
        return (word << by | word >> (64 - by)) & _WORD

    register = 1
    for _ in range(24):
        c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        d = [c[x - 1] ^ turned(c[(x + 1) % 5], 1) for x in range(5)]
        b = [[0] * 5 for _ in range(5)]
        for x in range(5):
            for y in range(5):
                b[y][(2 * x + 3 * y) % 5] = turned(a[x][y] ^ d[x], _KECCAK_TURNS[y][x])
        a = [[b[x][y] ^ (~b[(x + 1) % 5][y] & b[(x + 2) % 5][y]) for y in range(5)] for x in range(5)]
        for bit in range(7):
            register = (register << 1 ^ (register >> 7) * 0x171) & 0xFF
            if register & 2:
                a[0][0] ^= 1 << ((1 << bit) - 1)
    return a


def _keccak256(data: bytes) -> str:
    """Keccak with the padding of Ethereum, which is not that of SHA-3; one block of at most 135 bytes."""
    block = bytearray(data.ljust(136, b"\0"))
    block[len(data)] ^= 1
    block[135] ^= 0x80
    words = [int.from_bytes(block[at : at + 8], "little") for at in range(0, 136, 8)] + [0] * 8
    state = _keccak_f([words[x::5] for x in range(5)])
    return "".join(state[x][0].to_bytes(8, "little").hex() for x in range(4))


def eip55(value: str, _: str = "") -> bool:
    """An Ethereum address in mixed case whose case is its checksum (EIP-55); all lower or all upper case has none.

    >>> eip55("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"), eip55("0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
    (True, False)
    """
    address = value.removeprefix("0x")
    if len(address) != 40:
        return False
    if address in (address.lower(), address.upper()):
        return len(set(address.lower())) > 6
    digest = _keccak256(address.lower().encode())
    return all(c == (c.upper() if int(d, 16) > 7 else c.lower()) for c, d in zip(address, digest, strict=False))
