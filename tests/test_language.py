"""Which language a text is in: said by the record, or told from the text; `und` where there is no telling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decontam.config import load_config
from decontam.language import SURE, UNSURE, identified, language, named, slices
from decontam.layout import Unreadable, layout_of
from decontam.training.languages import left_in_english
from decontam.view import View

SENTENCES = {
    "en": "It rained all morning, and nobody in the house had remembered to close the windows before we left for the market.",
    "de": "Den ganzen Morgen hatte es geregnet, und niemand im Haus hatte daran gedacht, vor dem Weg zum Markt die Fenster zu schließen.",
    "fr": "Il avait plu toute la matinée, et personne dans la maison n'avait pensé à fermer les fenêtres avant de partir au marché.",
    "es": "Había llovido toda la mañana, y nadie en la casa se había acordado de cerrar las ventanas antes de salir para el mercado.",
    "pt": "Tinha chovido a manhã toda, e ninguém na casa se lembrou de fechar as janelas antes de sairmos para o mercado.",
    "it": "Aveva piovuto tutta la mattina, e nessuno in casa si era ricordato di chiudere le finestre prima di andare al mercato.",
    "nl": "Het had de hele ochtend geregend, en niemand in huis had eraan gedacht de ramen te sluiten voordat we naar de markt gingen.",
    "sv": "Det hade regnat hela morgonen, och ingen i huset hade kommit ihåg att stänga fönstren innan vi gick till torget.",
    "pl": "Padało przez cały ranek i nikt w domu nie pamiętał, żeby zamknąć okna, zanim wyszliśmy na targ po warzywa.",
    "tr": "Bütün sabah yağmur yağmıştı ve evde hiç kimse pazara gitmeden önce pencereleri kapatmayı hatırlamamıştı.",
    "ru": "Всё утро шёл дождь, и никто в доме не вспомнил, что надо закрыть окна, прежде чем мы пошли на рынок за овощами.",
    "uk": "Увесь ранок ішов дощ, і ніхто в домі не згадав, що треба зачинити вікна, перш ніж ми пішли на ринок по овочі.",
    "zh": "整个上午都在下雨，我们去菜市场之前，家里谁也没有想起来要把窗户关上，回来的时候地板全湿了。",
    "ja": "午前中ずっと雨が降っていて、市場へ出かける前に窓を閉めることを家の誰も思い出さなかったので、帰ると床が濡れていた。",
    "ko": "오전 내내 비가 내렸는데, 시장에 가기 전에 창문을 닫아야 한다는 것을 집에 있던 아무도 기억하지 못했다.",
    "el": "Έβρεχε όλο το πρωί και κανείς στο σπίτι δεν θυμήθηκε να κλείσει τα παράθυρα πριν φύγουμε για την αγορά.",
    "th": "ฝนตกตลอดเช้า และไม่มีใครในบ้านจำได้ว่าต้องปิดหน้าต่างก่อนที่เราจะออกไปตลาด",
}


@pytest.mark.parametrize("expected", SENTENCES)
def test_a_sentence_is_enough(expected: str) -> None:
    found, sure = language(View.of(SENTENCES[expected]))

    assert expected == found
    assert sure >= SURE


@pytest.mark.parametrize("expected", ["en", "de", "ru", "zh", "ja"])
def test_markup_and_code_do_not_count(expected: str) -> None:
    page = (
        f'<div class="entry-content" id="main"><p style="margin:0">{SENTENCES[expected]}</p></div> https://www.example.com/a/b/index.html\n'
    )
    code = "for item in items.get_all(request.user_id): print(item['name'], file=sys.stderr)\n"

    assert expected == language(View.of(3 * page + code))[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "42",
        "1,234.56 - 7 (8)",
        "OK",
        "¯\\_(ツ)_/¯",
        "xkcd qwrt zxcv bnmp lkjh gfds qwpl mnbv",
        "/usr/lib/x86_64/a.so a_b c=d e@f",
    ],
)
def test_what_is_no_language_is_undetermined(text: str) -> None:
    assert UNSURE == language(View.of(text))[0]


def test_half_and_half_is_less_sure() -> None:
    chinese, english = SENTENCES["zh"], SENTENCES["en"]
    _, alone = language(View.of(chinese))
    _, mixed = language(View.of(chinese[:20] + english[:70]))

    assert mixed < alone


def test_japanese_without_kana_and_chinese_with_a_quotation() -> None:
    assert "zh" == language(View.of(SENTENCES["zh"] * 3 + "「さくら」"))[0]
    assert "ja" == language(View.of("本日休業。" + SENTENCES["ja"]))[0]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [("zh-CN", "zh"), ("zh_Hant_TW", "zh"), ("zho_Hans", "zh"), ("EN", "en"), ("en-US", "en"), ("eng_Latn", "en"), ("__label__fr", "fr"),
     ("deu", "de"),     ("German", "de"), ("pt-BR", "pt"), ("jpn", "ja"), ("nb-NO", "no"), ("yue", "yue"),
     ("de_DE.UTF-8", "de"), ("", None), ("und", None),
     ("unknown", None), ("n/a", None), ("x", None), ("12", None), ("klingonish", None)],
)  # fmt: skip
def test_what_records_call_languages(tag: str, expected: str | None) -> None:
    assert expected == named(tag)


def test_a_record_is_believed() -> None:
    assert ("fr", 1.0) == language(View.of(SENTENCES["en"]), "fr-CA")
    assert "en" == language(View.of(SENTENCES["en"]), "unknown")[0]


@pytest.mark.parametrize(
    ("key", "line", "expected"),
    [
        ("language", b'{"text": "x", "language": "de-AT"}', "de-AT"),
        ("metadata.lang", b'{"text": "x", "metadata": {"lang": "ja"}}', "ja"),
        ("metadata.lang", b'{"text": "x", "metadata": "ja"}', None),
        ("language", b'{"text": "x", "language": ["de"]}', None),
        ("language", b'{"text": "x"}', None),
    ],
)
def test_the_key_is_a_path(key: str, line: bytes, expected: str | None) -> None:
    record = layout_of(load_config(None, {"input": {"lang_key": key}})).read(line, "a.jsonl", 0)

    assert not isinstance(record, Unreadable)
    assert expected == record.meta.get("language")


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("utf-8", "replace")))
def test_any_text_has_an_answer(text: str) -> None:
    found, sure = language(View.of(text))

    assert found == UNSURE or sure >= SURE
    assert 0 <= sure <= 1


def test_two_slices_of_any_text_are_whole_characters() -> None:
    for pad in range(4):
        data = ("x" * pad + "日本語のテキストである。" * 5000).encode()

        assert "ja" == identified(data)[0]
        assert 1000 == sum(end - start for start, end in slices(len(data)))


@pytest.mark.parametrize(
    ("text", "expected"), [("The title of the page, and what is on it", True), (SENTENCES["nl"], False), (SENTENCES["sv"], False)]
)
def test_untranslated_text_is_not_trained_on(text: str, expected: bool) -> None:
    assert expected == left_in_english(text)
