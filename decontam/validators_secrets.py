"""Named predicates about credentials: check digits, heads of tokens, what looks drawn at random, what is a mere placeholder."""

from __future__ import annotations

import base64
import binascii
import math
import re
import string
from collections import Counter

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def entropy(value: str, least: str = "3") -> bool:
    """At least `least` bits of Shannon entropy per character.

    >>> entropy("aaaaaaaaaaaa", "2"), entropy("q8Zr2Lx0Vb7T", "3")
    (False, True)
    """
    counts = Counter(value).values()
    return bool(value) and -sum(n / len(value) * math.log2(n / len(value)) for n in counts) >= float(least)


def jwt(value: str, _: str = "") -> bool:
    """The first part decodes to a JSON object with an `alg` (RFC 7515, section 4.1.1).

    >>> jwt("eyJhbGciOiJIUzI1NiJ9.e30.x"), jwt("eyJmb28iOjF9.e30.x")
    (True, False)
    """
    head = value.partition(".")[0]
    try:
        return b'"alg"' in base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))
    except (ValueError, binascii.Error):
        return False


def crc32_base62(value: str, _: str = "") -> bool:
    """GitHub and npm tokens end in the CRC-32 of their random part, in six base-62 digits.

    Source: GitHub's "Behind GitHub's new authentication token formats" (2021).

    >>> crc32_base62("ghp_" + "0" * 36)
    False
    """
    body, check = value.rpartition("_")[2][:-6], value[-6:]
    number = binascii.crc32(body.encode())
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(6, "0") == check


_PLACEHOLDERS = ("example", "sample", "xxxx", "your", "changeme", "placeholder", "dummy", "redacted", "insert", "****",
                 "....", "test", "fake", "replace", "password", "secret", "token", "null", "none", "true", "false",
                 "12345", "abcdef", "foobar", "<", "${", "{{", "todo", "deadbeef")  # fmt: skip


def real_value(value: str, _: str = "") -> bool:
    """Not a placeholder: no word that samples use, not one character over and over.

    >>> real_value("YOUR_API_KEY_HERE"), real_value("xxxxxxxxxxxx"), real_value("q8Zr2Lx0Vb7T")
    (False, False, True)
    """
    low = value.lower()
    return not any(word in low for word in _PLACEHOLDERS) and len(set(low)) > 4


# What stands where a password would: names of the thing, of its type, of a field, of a default that everybody knows.
_NO_PASSWORDS = (
    "string text hidden required optional nullable anonymous varchar bcrypt plaintext plain input field value label varname email"
    " username user login admin administrator root postgres mysql mongo mongodb redis guest default demo public private basic"
    " digest bearer undefined empty blank pass passphrase passcode pwd pswd passwd confirm confirmation current forgot reset"
    " change update create delete unknown never always encrypted hashed hash binary random generated prompt stdin file files"
    " vault keychain keyring environment config settings hunter2 object number boolean integer char const static readonly"
    " return function request response session cookie account name credentials disabled enabled prohibit without show hide"
    " toggle visible visibility strong medium weak short long valid invalid incorrect wrong minlength maxlength length match"
    " matches mismatch sometimes present filled nested equalto confirmed raw bytes array"
)
# The same in other languages, where they are parts of what is meant to be filled in.
_FOREIGN = re.compile(r"passwor|contrase|senha|mot_?de_?passe|usuario|parola|пароль|密码|^(?:ihr|sua|seu|tu|su|votre|mein)_")


def password_like(value: str, _: str = "") -> bool:
    """A real value that is no name of a field, type or default either; for passwords that are plain words.

    >>> password_like("whiteduke"), password_like("required"), password_like("user.pass"), password_like("YOUR_PASS")
    (True, False, False, False)
    """
    dotted = re.fullmatch(r"[A-Za-z_]+(?:[.:][A-Za-z_]+)+:?", value)
    foreign = _FOREIGN.search(value.lower())
    if foreign or not real_value(value):
        return False
    return value.lower().strip("-_ @") not in _NO_PASSWORDS.split() and not dotted and value.isprintable()


# The pairs of letters that make three quarters of English running text, and a fifth of what is drawn at random.
_PAIRS = (
    "th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co me de hi ri ro ic ne ea"
    " ra ce li ch ll be ma si om ur ca el ta la ns di fo ho pe ec pr no ct us ac ot il tr ly nc et ut ss so rs un lo wa ge ie"
    " wh ee wi em ad ol rt po we na ul ni ts mo ow pa im mi ai sh ir su id os iv ia am fi ci vi pl ig tu ev ld ry mp fe bl ab"
    " gh ty op wo sa ay ex ke fr oo av ag if ap gr od bo sp rd do uc bu ei ov rm ep tt oc fa ef cu rn sc gi da yo cr cl du ga"
    " qu ue ff ba ey va um pp up lu go ck ss se"
)
_COMMON = frozenset(_PAIRS.split())


def random_looking(value: str, most: str = "0.4") -> bool:
    """At most that share of its characters stands in pieces that read like words; so names of things are no keys.

    >>> random_looking("q8Zr2Lx0Vb7TkM4n"), random_looking("generate_secret_key_v2"), random_looking("nextPageToken1234")
    (True, False, False)
    """
    words = 0
    for piece in re.findall(r"[A-Z]?[a-z]{3,}|[A-Z]{4,}", value):
        low = piece.lower()
        pairs = [low[at : at + 2] in _COMMON for at in range(len(low) - 1)]
        words += len(piece) if sum(pairs) >= 0.6 * len(pairs) else 0
    return words <= float(most or 0.4) * len(value)


def classes(value: str, least: str = "2") -> bool:
    """At least so many of: lower case, capitals, digits, other characters.

    >>> classes("whiteduke"), classes("open-sesame"), classes("Ab1", "3")
    (False, True, True)
    """
    found = {"a" if c.islower() else "A" if c.isupper() else "0" if c.isdigit() else "." for c in value}
    return len(found) >= int(least or 2)
