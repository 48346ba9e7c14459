"""More checks for numbers of people and banks, each of a few lines. `validators` names them for rules."""

from __future__ import annotations

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
