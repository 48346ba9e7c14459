"""The review page in a real browser: a reviewer's work by keys, and documents that would rather be more than text."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from decontam import tables
from decontam.config import load_config
from decontam.folders import Folder
from decontam.quarantine import dump as dumps
from decontam.quarantine.index import Index
from decontam.quarantine.page import page as html_page
from decontam.quarantine.records import Records
from decontam.quarantine.review import Review
from decontam.quarantine.sample import everything
from decontam.quarantine.server import HOST, app_of, listening
from decontam.quarantine.verdicts import Event, Verdicts
from decontam.types import Action, Finding, Span, Strength, Verdict

from .hostile_pages import ALLOWED, DOCUMENTS
from .test_run import KEY

pytestmark = pytest.mark.browser

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
TOKEN = "a-token-for-tests"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.fail(f"{CHROMIUM} is missing; install it with: apt-get install chromium (as .ci/run does)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def finding(stage: str, rule: str, start: int, end: int, field: str = "text", score: float = 1.0) -> Finding:
    return Finding(
        field, stage, rule, "r1", "KIND", Span(start, end), Strength.CONCLUSIVE, score, "openai" if stage == "signatures" else None
    )


def quarantined(out: Path, shards: dict[str, list[tuple[dict[str, Any], list[Finding]]]]) -> Path:
    """The folder of a run that took these records out."""
    out.mkdir(parents=True, exist_ok=True)
    config = load_config(overrides={"quarantine": {"secrets": "keep"}}).to_dict()
    (out / "manifest.json").write_text(json.dumps({"began": "2026-11-01T12:00:00+00:00", "config": config, "shards": list(shards)}))
    for shard, records in shards.items():
        with tables.Table(Folder(str(out)), f"quarantine/{shard}.parquet", tables.quarantine_schema, private=True) as table:
            for row, (record, found) in enumerate(records):
                line = json.dumps(record).encode()
                verdict = Verdict(Action.QUARANTINE, tuple(found))
                about = {"source": shard, "offset": 0, "record": line, "exact": True, "format": "jsonl"}
                table.add({**tables.findings_row(str(record.get("id", row)), row, verdict, [record["text"]], len(line)), **about})
    return out


@contextmanager
def served(out: Path, reviewer: str = "ada") -> Iterator[tuple[str, Verdicts]]:
    import uvicorn

    sock = listening(0)
    port = sock.getsockname()[1]
    with Verdicts(out / "review/verdicts.sqlite") as log:
        review = Review(Index(str(out)).build(), log, reviewer)
        config = uvicorn.Config(app_of(review, TOKEN, port), log_level="error", access_log=False, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{port}", log
        finally:
            server.should_exit = True
            thread.join()
            sock.close()


class Watch:
    """Everything that a page did which a page of text would not do."""

    def __init__(self, context: Any, base: str) -> None:
        self.requests: list[str] = []
        self.happened: list[str] = []
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("page", lambda page: self._follow(page))
        context.on("serviceworker", lambda worker: self.happened.append(f"worker {worker.url}"))
        self._base = base
        self._pages = 0

    def _follow(self, page: Any) -> None:
        self._pages += 1
        if self._pages > 1:
            self.happened.append("another page")
        page.on("dialog", lambda dialog: (self.happened.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("download", lambda download: self.happened.append(f"download {download.url}"))
        page.on(
            "console", lambda message: self.happened.append(f"console {message.text}") if message.type in {"error", "warning"} else None
        )
        page.on("pageerror", lambda error: self.happened.append(f"error {error}"))
        page.on("websocket", lambda socket: self.happened.append(f"socket {socket.url}"))
        page.on("worker", lambda worker: self.happened.append(f"worker {worker.url}"))

    @property
    def strangers(self) -> list[str]:
        """Requests to anybody but the page's own server."""
        return [url for url in self.requests if not url.startswith((self._base, "data:,"))]


def opened(browser: Any, base: str, **options: Any) -> tuple[Any, Watch]:
    context = browser.new_context(**options)
    watch = Watch(context, base)
    page = context.new_page()
    page.goto(f"{base}/?token={TOKEN}")
    page.wait_for_selector("#document .head")
    page.wait_for_selector(".facet", state="attached")
    return page, watch


def settled(page: Any, title: str) -> None:
    page.wait_for_function("title => document.querySelector('#document h2')?.textContent === title", arg=title)


HOSTILE = [
    ({"id": f"doc-{number}", "text": text, f"<img src=x onerror=alert({number})>": text[:500]},
     [finding("signatures", "a.b", 0, max(1, len(text) // 2)), finding("pii", "c.d", len(text) // 4, len(text))])
    for number, text in enumerate(DOCUMENTS.values())
]  # fmt: skip
SHARD = "<svg onload=alert(1)>'\"&.jsonl"


def test_hostile_documents_stay_text(browser: Any, tmp_path: Path) -> None:
    out = quarantined(tmp_path / "<img src=x onerror=alert(2)>", {SHARD: HOSTILE})
    tried = 0
    with served(out, reviewer="<img src=x onerror=alert(3)>") as (base, log):
        log.add([Event(SHARD, 0, "note", "<script>alert(4)</script>", why="<img src=x onerror=alert(5)>")])
        page, watch = opened(browser, base)
        for number, text in enumerate(DOCUMENTS.values()):
            settled(page, f"doc-{number}")
            shown = page.evaluate("() => [...document.querySelectorAll('#document pre')].map((pre) => pre.textContent)")
            plain = "".join(c for c in text[:40_000] if c.isascii() and c.isprintable())
            there = "".join(c for c in shown[0] if c.isascii() and c.isprintable())
            tags = set(page.evaluate("() => [...new Set([...document.querySelectorAll('#document, #document *')].map((e) => e.nodeName))]"))

            assert plain[:30_000] in there.replace(" ", " ") or any(c < " " or not c.isprintable() for c in text)
            assert tags <= ALLOWED, text[:80]
            assert page.evaluate("() => window.pwned === undefined && ({}).pwned === undefined")
            tried += 1
            page.keyboard.press("j")
        page.mouse.move(600, 300)
        page.wait_for_function("() => document.readyState === 'complete'")

        assert [] == watch.happened
        assert [] == watch.strangers
        assert f"{base}/" == page.url
        assert any("/api/document?n=0" in url for url in watch.requests)
        page.context.close()
    assert 60 <= tried == len(DOCUMENTS)


def test_hostile_documents_stay_text_in_a_dump(browser: Any, tmp_path: Path) -> None:
    out = quarantined(tmp_path / "out", {SHARD: HOSTILE})
    index = Index(str(out)).build()
    drawn = everything(index)
    with (tmp_path / "dump.html").open("wb") as file:
        given = dumps.entries(index, Records(index.folder, index.manifest), drawn)
        dumps.into(lambda entries, text: html_page(entries, text, len(drawn), index.count, index.manifest), given, file)
    context = browser.new_context()
    address = (tmp_path / "dump.html").as_uri()
    watch = Watch(context, address)
    page = context.new_page()
    page.goto(address)

    assert len(DOCUMENTS) == page.locator("article").count()
    tags = set(page.evaluate("() => [...new Set([...document.querySelectorAll('body *')].map((e) => e.nodeName))]"))
    assert tags <= {"HEADER", "H1", "H2", "H3", "P", "UL", "LI", "B", "I", "PRE", "MARK", "ARTICLE"}
    assert page.evaluate("() => window.pwned === undefined")
    assert ([], []) == (watch.happened, watch.strangers)
    assert "rgba(0, 0, 0, 0)" != page.evaluate("() => getComputedStyle(document.querySelector('mark')).backgroundColor")
    context.close()


ORDINARY = {
    "a.jsonl": [
        ({"id": "one", "text": "As an AI language model, I cannot."}, [finding("signatures", "self.x", 0, 23)]),
        ({"id": "two", "text": "write to a@b.cn", "url": "http://x.example/"}, [finding("pii", "email.x", 9, 15, score=0.4)]),
        (
            {"id": "three", "text": f"key = {KEY} and As an AI", "n": KEY},
            [finding("secrets", "aws.x", 6, 26), finding("signatures", "self.x", 31, 39)],
        ),
    ],
    "web/b.jsonl": [({"id": f"b{n}", "text": "As an AI language model"}, [finding("signatures", "self.y", 0, 8)]) for n in range(230)],
}  # fmt: skip


@pytest.fixture
def ordinary(tmp_path: Path) -> Path:
    return quarantined(tmp_path / "out", ORDINARY)


def said(log: Verdicts) -> list[tuple[str, int, str]]:
    return [(event.shard, event.row, event.verdict) for event in log.events()]


def test_a_reviewer_works_by_keys(browser: Any, ordinary: Path) -> None:
    with served(ordinary) as (base, log):
        page, watch = opened(browser, base)
        settled(page, "one")
        assert "As an AI language model" == page.locator("#document mark").first.text_content()
        for key, title in (("c", "two"), ("r", "three"), ("u", "b0"), ("z", "three"), ("k", "two"), ("j", "three")):
            page.keyboard.press(key)
            settled(page, title)
        page.keyboard.press("n")
        page.wait_for_selector("#note[open]")
        page.keyboard.type("looks like a test key, c r u")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".history >> text=looks like a test key")

        judged = [("a.jsonl", 0, "confirm"), ("a.jsonl", 1, "release"), ("a.jsonl", 2, "unsure"), ("a.jsonl", 2, "undo")]
        assert [*judged, ("a.jsonl", 2, "note")] == said(log)
        assert {"ada"} == {event.reviewer for event in log.events()}
        assert "2 of 233 judged" == page.locator("#done").text_content()
        assert ["confirm", "release"] == page.locator("#rows .said").all_text_contents()
        page.wait_for_selector(".facet >> text=release")
        assert ([], []) == (watch.happened, watch.strangers)
        page.context.close()


def test_filters_narrow_the_list(browser: Any, ordinary: Path) -> None:
    with served(ordinary) as (base, log):
        log.add([Event("web/b.jsonl", 3, "confirm", "bo", origin="import")])
        page, _ = opened(browser, base)

        def chosen(section: str, value: str, left: str, first: str) -> None:
            page.locator(".facet", has_text=section).get_by_role("button", name=value).first.click()
            page.wait_for_function("left => document.querySelector('#count').textContent === left", arg=left)
            settled(page, first)

        chosen("Stage", "pii", "1 record", "two")
        chosen("Stage", "pii", "233 records", "one")
        chosen("Rule", "signatures/self.y", "230 records", "b0")
        chosen("Verdict", "confirm", "1 record", "b3")
        page.click("#clear")
        page.wait_for_function("() => document.querySelector('#count').textContent === '233 records'")
        chosen("Source", "web", "230 records", "b0")
        chosen("Source", "web", "233 records", "one")
        page.fill("#most", "0.5")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.querySelector('#count').textContent === '1 record'")
        settled(page, "two")
        page.context.close()


def test_the_list_goes_on_as_one_reads(browser: Any, ordinary: Path) -> None:
    with served(ordinary) as (base, _):
        page, _ = opened(browser, base)
        for number in range(1, 140):
            page.keyboard.press("j")
            page.wait_for_function("at => document.querySelectorAll('#rows button')[at]?.getAttribute('aria-current') === 'true'",
                                   arg=number)  # fmt: skip
        settled(page, "b136")

        assert 200 <= page.locator("#rows li").count()
        page.context.close()


def test_credentials_are_covered_until_asked_for_and_asking_is_logged(browser: Any, ordinary: Path) -> None:
    with served(ordinary) as (base, log):
        bodies: list[str] = []
        page, _ = opened(browser, base)
        page.on("response", lambda response: bodies.append(response.text()) if "/api/" in response.url else None)
        page.keyboard.press("j")
        settled(page, "two")
        page.keyboard.press("j")
        settled(page, "three")
        page.wait_for_timeout(0)

        assert KEY not in page.content() + "".join(bodies)
        assert "•" * 20 == page.locator("#document mark.stage-secrets").first.text_content()
        assert [] == log.accesses()
        page.keyboard.press("s")
        page.wait_for_function("key => document.querySelector('#document mark.stage-secrets').textContent === key", arg=KEY)

        assert [("a.jsonl", 2, "secrets", "ada")] == [access[:4] for access in log.accesses()]
        page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 1400), ("light", 400), ("dark", 400)])
def test_the_page_fits_and_can_be_read(browser: Any, ordinary: Path, scheme: str, width: int) -> None:
    with served(ordinary) as (base, _):
        page, _ = opened(browser, base, color_scheme=scheme, viewport={"width": width, "height": 800})
        contrast = page.evaluate(CONTRAST)

        assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
        assert 4.5 <= min(contrast.values()), contrast
        page.context.close()


CONTRAST = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const color = channels(getComputedStyle(n).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = {};
  const looked = 'h1,#done,#count,.row-id,.row-where,.facet h2,.rule h3 button,.rule .facts,.text > h3,.text pre';
  for (const selector of looked.split(',')) {
    const node = document.querySelector(selector);
    if (!node || !node.getClientRects().length) continue;
    const [a, b] = [light(channels(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    found[selector] = (a + 0.05) / (b + 0.05);
  }
  return found;
}"""
