"""Language: which one a text is in, by its script and its commonest words; `und` where that is unsure."""

from __future__ import annotations

from decontam.view import View

_COMMON = {
    "en": "the and of to is that with for was are this have",
    "de": "der die und das ist nicht mit den ein von auf sich",
    "fr": "les des est une dans que pour qui pas sur avec plus",
    "es": "los las una por con para del como más pero sus este",
    "it": "che della sono con non una nel gli come questo più anche",
    "pt": "que não uma com para dos das são mais como seu foi",
    "ru": "и в не на что с как это по но для из",
}
_WORDS = {language: frozenset(words.split()) for language, words in _COMMON.items()}


def language(view: View, hint: str | None = None) -> tuple[str, float]:
    """A BCP 47 code and a confidence."""
    if hint:
        return hint, 1.0
    text = view.text[:3000]
    kana = sum("\u3040" <= character <= "\u30ff" for character in text)
    han = sum("\u4e00" <= character <= "\u9fff" for character in text)
    if kana + han > 0.2 * len(text):
        return ("ja", 1.0) if kana > 0.1 * han else ("zh", 1.0)
    if sum("\uac00" <= character <= "\ud7a3" for character in text) > 0.2 * len(text):
        return "ko", 1.0
    words = text.lower().split()
    found = {name: sum(word in common for word in words) / max(1, len(words)) for name, common in _WORDS.items()}
    best = max(found, key=lambda name: found[name])
    return (best, found[best]) if found[best] > 0.08 else ("und", 0.0)
