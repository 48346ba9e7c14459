"""Injection: passages cut out of known texts, and the changes that such a passage goes through before it turns up again.

Pure and seeded: the same text and seed make the same changes on any machine. What finds known texts is measured with these
(`decontam index inject`); they were written without looking at how it normalises. A word is a run of letters, a number, or two
characters of a script that writes no spaces.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

_UNSPACED = "\u0e01-\u0e4e\u0e81-\u0ede\u1000-\u109f\u1780-\u17dd\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]{{1,2}}|(?:(?![{_UNSPACED}])[^\W\d_])+(?:['’-](?:(?![{_UNSPACED}])[^\W\d_])+)*|\d+")
_HAN = re.compile(r"[\u3400-\u9fff]")
_SENTENCE = re.compile(r"[^.!?。！？\n]*(?:[.!?。！？]+[\"'”’)\]]*\s*|\n+|$)")
_NAME = re.compile(r"(?<=[^\W\d_],\s)[A-Z][a-z]+|(?<=[^\W\d_]\s)[A-Z][a-z]+(?:\s[A-Z][a-z]+)*")
_TITLED = re.compile(
    r"([王李张刘陈杨黄赵周吴徐孙马朱胡林郭何高罗])(?=[\u4e00-\u9fff]{0,2}(?:先生|女士|小姐|老师|教授|医生|经理|总裁|同学|记者))"
)

MASKS = ("[EMAIL]", "***", "<PERSON>", "XX", "[MASK]", "█████", "[REDACTED]", "某某")
_RATES = (5, 10, 20, 30)  # percent of words


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_WORDS = _listed(
    "harbour seldom yellow carpet under twelve always window bring quiet river almost garden against letter winter simple between market "
    "often bridge second paper toward morning copper near village without stone"
)
_HAN_WORDS = _listed("窗户 慢慢 河边 桌子 常常 远处 铜钱 早晨 村庄 石头 信纸 旁边 黄色 安静 桥上 几乎 冬天 市场")
_KANA_WORDS = _listed("まどを ゆっくり かわべ つくえ いつも とおく あさの むらで いしと てがみ")
_NAMES = _listed("Odalys Brennwald Marten Ilse Tarkovi Weyland Quillon Harrow Pettibone Sandoval Ferris Lindqvist")
_BRANDS = {
    "OpenAI": "Northlake",
    "ChatGPT": "Larkspur",
    "GPT": "LRK",
    "Google": "Veridan",
    "Microsoft": "Halberd",
    "Anthropic": "Copperfield",
    "Claude": "Tobias",
    "Gemini": "Aldous",
    "Meta": "Ostrava",
    "Amazon": "Drumlin",
    "阿里巴巴": "青石集团",
    "阿里": "青石",
    "通义千问": "万象问答",
    "百度": "云岭",
    "文心一言": "山海一问",
    "腾讯": "星河",
    "微软": "长桥",
    "谷歌": "北辰",
    "字节跳动": "飞鸟科技",
    "豆包": "小满",
    "华为": "昆仑",
    "商汤": "松涛",
    "讯飞": "听雨",
}
_BRAND = re.compile("|".join(sorted(map(re.escape, _BRANDS), key=len, reverse=True)))
_SURNAMES = "谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋"
# Frequent characters that differ.
_SIMPLE = (
    "这个们来时会对说国学过样后为还进与种问动现实应从当经气电见长东车马鸟鱼门间开关闻听读语话请让认识谁难书写画图云风飞龙凤头发体边远"
    "达运选连义务产业农医药术机构权极级约纪红绿蓝练组织终结给统计设备变树条标准确欢乐买卖钱银铁钟针镜爱亲谢证词译论议记页预项顺须顾题"
    "颜顿专转轮软轻输"
)
_FULL = (
    "這個們來時會對說國學過樣後為還進與種問動現實應從當經氣電見長東車馬鳥魚門間開關聞聽讀語話請讓認識誰難書寫畫圖雲風飛龍鳳頭發體邊遠"
    "達運選連義務產業農醫藥術機構權極級約紀紅綠藍練組織終結給統計設備變樹條標準確歡樂買賣錢銀鐵鐘針鏡愛親謝證詞譯論議記頁預項順須顧題"
    "顏頓專轉輪軟輕輸"
)
_TRADITIONAL = dict(zip(_SIMPLE, _FULL, strict=True))
_SIMPLIFIED = dict(zip(_FULL, _SIMPLE, strict=True))
# What NFKC takes back.
_COMPATIBLE = {"fi": "ﬁ", "fl": "ﬂ", "ff": "ﬀ", "...": "…", "No": "№", "2": "²", "ω": "Ω", "c": "ⅽ", "i": "ⅰ", "ー": "ｰ"}
_PUNCTUATION = dict(zip(",.;:'\"-!?，。；（）", ";!,—’”—..、！，()", strict=True))


def words_of(text: str) -> list[tuple[int, int]]:
    """Where the words of a text stand.

    >>> [("x3, 河边的树"[start:end]) for start, end in words_of("x3, 河边的树")]
    ['x', '3', '河边', '的树']
    """
    return [match.span() for match in _WORD.finditer(text)]


def passages(text: str, words: int) -> Iterator[str]:
    """The text in passages of so many words each, one after the other; what is left at its end makes none.

    >>> list(passages("One, two three. Four five", 2))
    ['One, two', 'three. Four']
    """
    spans = words_of(text)
    for first in range(0, len(spans) - words + 1, words):
        yield text[spans[first][0] : spans[first + words - 1][1]]


def variants(text: str, seed: int) -> Iterator[tuple[str, str]]:
    """What a passage may look like when it turns up again: (what was done to it, the changed text), always in the same order.

    A change that finds nothing to change in the text (no sentence to move, no character to write otherwise) is left out.
    """
    yield "verbatim", text
    for name, change in _CHANGES.items():
        changed = change(text, random.Random(f"{seed} {name}"))
        if changed != text and changed.strip():
            yield name, changed


def _rewrapped(text: str, draw: random.Random) -> str:
    """Other line breaks: at another width where there are spaces, after so many characters where there are none."""
    width = draw.choice((34, 52, 67, 95))
    lines, line = [], ""
    for match in re.finditer(rf"(\s*)([{_UNSPACED}]|[^\s{_UNSPACED}]+)", text):
        gap, piece = " " if match[1] and line else "", match[2]
        if line and len(line) + len(gap) + len(piece) > width and (match[1] or _unspaced(piece[0])):
            lines.append(line)
            line, gap = "", ""
        line += gap + piece
    return "\n".join([*lines, line])


def _unspaced(character: str) -> bool:
    return re.match(f"[{_UNSPACED}]", character) is not None


def _quoted(text: str, draw: random.Random) -> str:
    return "\n".join(f"> {line}" for line in _rewrapped(text, draw).splitlines())


def _repunctuated(text: str, draw: random.Random) -> str:
    return "".join(_PUNCTUATION.get(one, one) if draw.random() < 0.8 else one for one in text)


def _unpunctuated(text: str) -> str:
    return "".join(one for one in text if not unicodedata.category(one).startswith("P"))


def _some_words(share: float) -> Callable[[str, random.Random], list[tuple[int, int]]]:
    """So large a share of the words of a text, at least one of them."""

    def chosen(text: str, draw: random.Random) -> list[tuple[int, int]]:
        spans = words_of(text)
        count = min(len(spans), max(1, round(share * len(spans))))
        return sorted(draw.sample(spans, count))

    return chosen


def _replaced(text: str, spans: Sequence[tuple[int, int]], by: Callable[[str], str]) -> str:
    pieces: list[str] = []
    at = 0
    for start, end in spans:
        pieces += (text[at:start], by(text[start:end]))
        at = end
    return "".join([*pieces, text[at:]])


def _masked(percent: int) -> Callable[[str, random.Random], str]:
    choose = _some_words(percent / 100)
    return lambda text, draw: _replaced(text, choose(text, draw), lambda _: draw.choice(MASKS))


def _reworded(percent: int) -> Callable[[str, random.Random], str]:
    choose = _some_words(percent / 100)

    def another(word: str, draw: random.Random) -> str:
        if word.isdigit():
            return _other_digits(word, draw)
        words = _WORDS if not _unspaced(word[0]) else _HAN_WORDS if _HAN.match(word) else _KANA_WORDS
        made = draw.choice([each for each in words if each != word.lower()])
        return made.capitalize() if word[:1].isupper() else made

    return lambda text, draw: _replaced(text, choose(text, draw), lambda word: another(word, draw))


def _other_digits(digits: str, draw: random.Random) -> str:
    return "".join(str((int(unicodedata.digit(one)) + draw.randint(1, 9)) % 10) for one in digits)


def _renamed(text: str, draw: random.Random) -> str:
    """Other names, brands and numbers: capitalised words inside a sentence, what is known, surnames before a title, digits."""
    known: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        for each in match.group().split():
            known.setdefault(each, draw.choice(_NAMES))
        return " ".join(known[each] for each in match.group().split())

    text = _BRAND.sub(lambda match: _BRANDS[match.group()], text)
    text = _TITLED.sub(lambda match: draw.choice(_SURNAMES), text)
    text = _NAME.sub(name, text)
    return re.sub(r"\d+", lambda match: _other_digits(match.group(), draw), text)


def _reordered(text: str, draw: random.Random) -> str:
    sentences = [sentence for sentence in _SENTENCE.findall(text) if sentence.strip()]
    order = sentences[:]
    for _ in range(20 if len(set(sentences)) > 1 else 0):
        draw.shuffle(order)
        if order != sentences:
            break
    return " ".join(sentence.strip() for sentence in order) if order != sentences else text


def _half(second: bool) -> Callable[[str], str]:
    def half(text: str) -> str:
        spans = words_of(text)
        if len(spans) < 2:
            return text
        middle = len(spans) // 2
        return text[spans[middle][0] :] if second else text[: spans[middle - 1][1]]

    return half


def _full_width(text: str) -> str:
    return "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else "\u3000" if one == " " else one for one in text)


def _compatible(text: str) -> str:
    for plain, other in _COMPATIBLE.items():
        text = text.replace(plain, other)
    return text.replace(" ", "\u00a0")


def _traditional(text: str) -> str:
    return "".join(_TRADITIONAL.get(one, one) for one in text)


def _simplified(text: str) -> str:
    return "".join(_SIMPLIFIED.get(one, one) for one in text)


def _plainly(change: Callable[[str], str]) -> Callable[[str, random.Random], str]:
    """A change in which nothing is left to chance."""
    return lambda text, _: change(text)


_CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "re-wrapped": _rewrapped,
    "quoted": _quoted,
    "upper case": _plainly(str.upper),
    "lower case": _plainly(str.lower),
    "punctuation changed": _repunctuated,
    "punctuation stripped": _plainly(_unpunctuated),
    **{f"{percent} % masked": _masked(percent) for percent in _RATES},
    **{f"{percent} % replaced": _reworded(percent) for percent in _RATES},
    "names and numbers swapped": _renamed,
    "sentences reordered": _reordered,
    "first half": _plainly(_half(second=False)),
    "second half": _plainly(_half(second=True)),
    "full width": _plainly(_full_width),
    "compatible characters": _plainly(_compatible),
    "traditional": _plainly(_traditional),
    "simplified": _plainly(_simplified),
}
