"""The pipelines that people start from: they run, and do what they say."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from .conftest import shard
from .test_run import API, BOTH, CHAT_ID, HUMAN, MAIL, SECRET, lines_of

PIPELINES = Path(__file__).parents[1] / "pipelines"
PROSE = (
    "The ferry to the island leaves at seven in the morning and comes back with the last light of the day. "
    "Those who have time walk along the harbour wall, past the nets and the boats that nobody has painted for years. "
)


def started(name: str, *arguments: object) -> str:
    command = [sys.executable, str(PIPELINES / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr[-3000:]
    return done.stdout.strip()


def rows(*files: Path) -> list[dict]:
    return [orjson.loads(line) for file in files for line in lines_of(file) if line]


def test_datatrove_on_one_machine(tmp_path: Path) -> None:
    shard(tmp_path / "in/a.jsonl.zst", [HUMAN, API, MAIL])
    shard(tmp_path / "in/b.jsonl.gz", [SECRET, BOTH])
    said = started("datatrove_local.py", tmp_path / "in", tmp_path / "out", 2)

    assert "5 documents: kept 1, quarantined 2, redacted 2" == said.splitlines()[-1]
    assert ["h", "mail", "secret"] == [row["id"] for row in rows(*sorted((tmp_path / "out/kept").iterdir()))]


def page(paragraphs: list[str]) -> bytes:
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return f"<html><head><title>A page</title></head><body><nav>Home</nav><article>{body}</article></body></html>".encode()


PAGES = {
    "http://harbour.example/kept": page([PROSE] * 3),
    "http://harbour.example/mail": page([PROSE, f"Write to {MAIL['text'].split()[2].strip(',')} and we have an answer for you.", PROSE]),
    "http://harbour.example/trace": page(
        [
            "This is what it said.",
            f'{{"id": "{CHAT_ID}", "object": "chat.completion", "choices": [{{"message": {{"content": "{PROSE}"}}}}]}}',
        ]
    ),
    "http://harbour.example/de": page(["Die Fähre legt um sieben ab und kommt mit dem letzten Licht zurück. " * 6]),
}


def crawl(path: Path) -> None:
    path.parent.mkdir()
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for url, content in PAGES.items():
            for kind, mime, payload in (("response", "text/html; charset=utf-8", content), ("response", "image/png", b"\x89PNG")):
                headers = StatusAndHeaders("200 OK", [("Content-Type", mime)], protocol="HTTP/1.1")
                writer.write_record(writer.create_warc_record(url, kind, payload=io.BytesIO(payload), http_headers=headers))


@pytest.mark.filterwarnings("ignore:Exception ignored in.*SpooledTemporaryFile")  # which warcio leaves open
def test_from_a_crawl_to_training_text(tmp_path: Path) -> None:
    crawl(tmp_path / "in/crawl.warc.gz")
    said = started("fineweb_like.py", tmp_path / "in", tmp_path / "out")
    kept = rows(*(tmp_path / "out/kept").iterdir())

    assert said.splitlines()[-1].startswith("3 pages: ")
    assert ["/kept", "/mail"] == [row["metadata"]["url"].removeprefix("http://harbour.example") for row in kept]
    assert "odalys" not in kept[1]["text"]
    assert "Home" not in kept[0]["text"]
    (gone,) = pq.read_table(tmp_path / "out/quarantine/00000.parquet").to_pylist()
    assert CHAT_ID in orjson.loads(gone["record"])["text"]
