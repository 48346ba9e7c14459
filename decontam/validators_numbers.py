"""More checks for numbers of people and banks, each of a few lines. `validators` names them for rules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from decontam.validators_ids import digits_of, fi_hetu


def aba(value: str, _: str = "") -> bool:
    """A bank's routing number: nine digits with the weights 3, 7, 1, not one digit over and over (ABA routing number policy).

    >>> aba("021000021"), aba("021000022"), aba("000000000")
    (True, False, False)
    """
    digits = digits_of(value)
    total = sum(int(digit) * (3, 7, 1)[at % 3] for at, digit in enumerate(digits))
    return len(digits) == 9 and total % 10 == 0 and len(set(digits)) > 2


def dk_cpr(value: str, _: str = "") -> bool:
    """A Danish personal number: a date of birth and a serial; no check holds since 2007. What the checks
    of Sweden or Finland fit is left to them.

    >>> dk_cpr("210160-3500"), dk_cpr("211360-3504"), dk_cpr("811228-9874")
    (True, False, False)
    """
    digits = digits_of(value)
    try:
        datetime.strptime(digits[:4] + "2000", "%d%m%Y")
    except ValueError:
        return False
    swedish = sum(sum(divmod(int(digit) * (2 - at % 2), 10)) for at, digit in enumerate(digits)) % 10 == 0
    return len(digits) == 10 and not fi_hetu(value) and not (swedish and "01" <= digits[2:4] <= "12" and "01" <= digits[4:6] <= "31")


def _is_date(digits: str, shape: str) -> bool:
    try:
        datetime.strptime(digits, shape)
    except ValueError:
        return False
    return True


def _sum(digits: str, weights: Iterable[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def ru_snils(value: str, _: str = "") -> bool:
    """Russian pension insurance number: nine digits with the weights 9 to 1, and two check digits modulo 101.

    >>> ru_snils("112-233-445 95"), ru_snils("112-233-445 96")
    (True, False)
    """
    digits = digits_of(value)
    total = _sum(digits[:9], range(9, 0, -1)) % 101
    return len(digits) == 11 and total % 100 == int(digits[9:]) and len(set(digits)) > 2


def hu_taj(value: str, _: str = "") -> bool:
    """Hungarian social security number: nine digits, weights 3 and 7 in turn, modulo 10.

    >>> hu_taj("123 456 788"), hu_taj("123 456 789")
    (True, False)
    """
    digits = digits_of(value)
    return len(digits) == 9 and _sum(digits[:8], (3, 7) * 4) % 10 == int(digits[8]) and len(set(digits)) > 2


def hu_tax(value: str, _: str = "") -> bool:
    """Hungarian tax number of a person: an 8, the days since 1867, a serial, a check digit modulo 11.

    >>> hu_tax("8071592153"), hu_tax("8071592154")
    (True, False)
    """
    digits = digits_of(value)
    return len(digits) == 10 and digits[0] == "8" and _sum(digits[:9], range(1, 10)) % 11 == int(digits[9])


def lv_person(value: str, _: str = "") -> bool:
    """Latvian personal code: a birth date, century, serial and check digit; or 32 and nine digits without one, since 2017.

    >>> lv_person("161175-19997"), lv_person("161175-19998"), lv_person("161375-19997")
    (True, False, False)
    """
    digits = digits_of(value)
    if len(digits) != 11 or digits.startswith("32"):
        return len(digits) == 11
    total = (1101 - _sum(digits[:10], (1, 6, 3, 7, 9, 10, 5, 8, 4, 2))) % 11
    return _is_date(digits[:4] + "2000", "%d%m%Y") and total % 10 == int(digits[10])


def lu_matricule(value: str, _: str = "") -> bool:
    """Luxembourg's national number: a birth date, a serial, the Luhn digit of both and their Verhoeff digit.

    >>> lu_matricule("1893120105732"), lu_matricule("1893120105733")
    (True, False)
    """
    from stdnum import luhn, verhoeff

    digits = digits_of(value)
    if len(digits) != 13 or not _is_date(digits[:8], "%Y%m%d"):
        return False
    return bool(luhn.is_valid(digits[:12]) and verhoeff.is_valid(digits[:11] + digits[12]))


def uy_ci(value: str, _: str = "") -> bool:
    """Uruguayan identity card: seven digits with the weights 2 9 8 7 6 3 4, and a check digit.

    >>> uy_ci("1.234.567-2"), uy_ci("1.234.567-3")
    (True, False)
    """
    digits = digits_of(value).rjust(8, "0")
    return len(digits) == 8 and _sum(digits, (2, 9, 8, 7, 6, 3, 4, 1)) % 10 == 0 and len(set(digits)) > 2


def kz_iin(value: str, _: str = "") -> bool:
    """Kazakh individual number: a birth date, sex and century, a serial, a check digit modulo 11.

    >>> kz_iin("861231300101"), kz_iin("861331300101")
    (False, False)
    """
    digits = digits_of(value)
    if len(digits) != 12 or not _is_date("20" + digits[:6], "%Y%m%d") or digits[6] not in "123456":
        return False
    total = _sum(digits, range(1, 12)) % 11
    total = _sum(digits, (*range(3, 12), 1, 2)) % 11 if total == 10 else total
    return total == int(digits[11])


def ir_national(value: str, _: str = "") -> bool:
    """Iranian national code: nine digits with the weights 10 to 2, and a check digit modulo 11.

    >>> ir_national("0499370899"), ir_national("0499370898"), ir_national("1111111111")
    (True, False, False)
    """
    digits = digits_of(value)
    rest = _sum(digits[:9], range(10, 1, -1)) % 11
    return len(digits) == 10 and int(digits[9]) == (rest if rest < 2 else 11 - rest) and len(set(digits)) > 2


def eg_national(value: str, _: str = "") -> bool:
    """Egyptian national number: a century, a birth date, a governorate, a serial; its last digit has no published rule.

    >>> eg_national("29001011234567"), eg_national("29013011234567")
    (True, False)
    """
    digits = digits_of(value)
    dated = len(digits) == 14 and digits[0] in "23" and _is_date(("19", "20")[digits[0] == "3"] + digits[1:7], "%Y%m%d")
    return dated and ("01" <= digits[7:9] <= "35" or digits[7:9] == "88")


def br_pis(value: str, _: str = "") -> bool:
    """Brazilian number of a worker (PIS, PASEP, NIS): ten digits with the weights 3 2 9 8 7 6 5 4 3 2, a check digit modulo 11.

    >>> br_pis("120.56412.54-5"), br_pis("120.56412.54-6")
    (True, False)
    """
    digits = digits_of(value)
    check = 11 - _sum(digits[:10], (3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return len(digits) == 11 and int(digits[10]) == (check if check < 10 else 0) and len(set(digits)) > 2
