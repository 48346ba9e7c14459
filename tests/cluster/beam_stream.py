"""A stream of documents, three minutes of it, on any engine: what became of each, by minute, as files OUT/<output>-<minute>.

python -m tests.cluster.beam_stream OUT [any option of Beam]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import FixedWindows

from decontam.adapters.beam import Decontaminate
from decontam.adapters.beam_books import tally_of
from tests.test_run import API, HUMAN, MAIL, SECRET

MINUTES = [[HUMAN, MAIL, API], [SECRET, HUMAN], [MAIL]]


def stream() -> TestStream:
    messages = TestStream(coder=beam.coders.BytesCoder())  # which engines in other languages know
    for minute, documents in enumerate(MINUTES):
        lines = [*(json.dumps(document).encode() for document in documents), b"{no json"]
        messages = messages.advance_watermark_to(60 * minute).add_elements(lines)
    return messages.advance_watermark_to_infinity().with_output_types(bytes)


def said(element: Any) -> str:
    return str(json.loads(element)["id"]) if isinstance(element, bytes) else element.id if hasattr(element, "id") else str(element)


def note(ids: Iterable[str], folder: str, window: Any = beam.DoFn.WindowParam) -> None:
    Path(f"{folder}-{int(window.start) // 60}").write_text(json.dumps(sorted(ids)))


def main(out: str, *options: str) -> None:
    Path(out).mkdir(parents=True, exist_ok=True)
    with beam.Pipeline(options=PipelineOptions([*options, "--streaming"])) as pipeline:
        screened = pipeline | stream() | beam.WindowInto(FixedWindows(60)) | Decontaminate()
        for name, output in screened._asdict().items():
            told = output | f"Said {name}" >> beam.Map(lambda element: (0, said(element)))
            (
                told
                | f"By minute {name}" >> beam.GroupByKey()
                | f"Ids {name}" >> beam.Values()
                | f"Note {name}" >> beam.Map(note, f"{out}/{name}")
            )
    print(json.dumps(tally_of(pipeline.result).to_dict()))


if __name__ == "__main__":
    main(*sys.argv[1:])
