"""From a crawl to training text as FineWeb does it: WARC, extraction, language, decontam, writer.

python pipelines/fineweb_like.py IN OUT [TASKS]      needs decontam[datatrove] and trafilatura<1.12

With datatrove[io,processing] and the system library libmagic, WarcReader and LanguageFilter take the places of the two
functions here, and FineWeb's quality filters stand before Decontam.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from warcio.archiveiterator import ArchiveIterator

from decontam.adapters.datatrove import Decontam, DecontamWriter, books

ENGLISH = {"the", "be", "to", "of", "and", "that", "have", "with"}  # Gopher's stop words; two of them make a page English


def pages(data: object, rank: int, world_size: int, folder: str) -> Iterator[Document]:
    """The HTML pages of every WARC file in a folder."""
    for path in sorted(Path(folder).glob("*.warc.gz"))[rank::world_size]:
        with path.open("rb") as file:
            for record in ArchiveIterator(file):
                if record.rec_type == "response" and "html" in (record.http_headers.get_header("Content-Type") or ""):
                    html = record.content_stream().read().decode("utf-8", "replace")
                    url = record.rec_headers.get_header("WARC-Target-URI")
                    yield Document(html, record.rec_headers.get_header("WARC-Record-ID"), metadata={"url": url})


def english(data: Iterator[Document], rank: int, world_size: int) -> Iterator[Document]:
    """Pages that are likely to be English."""
    return (document for document in data if len(ENGLISH & set(re.findall(r"[a-z]+", document.text.lower()))) > 1)


def main(source: str, out: str, tasks: int = 1) -> None:
    """Files are shared out to `tasks`; run it again to finish what was interrupted."""
    steps = [partial(pages, folder=source), Trafilatura(timeout=30), english, Decontam("like-fineweb", f"{out}/quarantine")]
    LocalPipelineExecutor([*steps, DecontamWriter(f"{out}/kept")], tasks=tasks, workers=1, logging_dir=f"{out}/logs").run()
    tally = books(f"{out}/quarantine")
    print(f"{tally.records:,} pages: {', '.join(f'{name} {count:,}' for name, count in sorted(tally.outcomes.items()))}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
