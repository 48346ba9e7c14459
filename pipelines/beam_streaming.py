"""Screen a stream of JSON lines in windows of a minute, and count what became of them in each.

    python pipelines/beam_streaming.py

The stream is acted by a TestStream, so that it ends; in its place put ReadFromPubSub or ReadFromKafka, whose messages are bytes too.
"""

from __future__ import annotations

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import FixedWindows

from decontam.adapters.beam import Decontaminate

MINUTES = [
    [b'{"id": "a", "text": "Plain words."}', b'{"id": "b", "text": "write to odalys.brennwald@gartenfreunde-nord.de"}'],
    [b'{"id": "c", "text": "Plain words again."}', b"{no json"],
]


def stream() -> TestStream:
    """Two minutes of messages."""
    messages = TestStream()
    for minute, lines in enumerate(MINUTES):
        messages = messages.advance_watermark_to(60 * minute).add_elements(lines)
    return messages.advance_watermark_to_infinity()


class ByMinute(beam.PTransform):
    """(output, minute, number of documents)"""

    def __init__(self, output: str) -> None:
        super().__init__()
        self.output = output

    def expand(self, documents: beam.PCollection) -> beam.PCollection:
        counts = documents | beam.combiners.Count.Globally().without_defaults()
        return counts | beam.Map(lambda number, name, window=beam.DoFn.WindowParam: (name, int(window.start) // 60, number), self.output)


def main() -> None:
    """Run the pipeline and print the counts."""
    with beam.Pipeline(options=PipelineOptions(streaming=True)) as pipeline:
        windows = pipeline | stream() | beam.WindowInto(FixedWindows(60))
        screened = windows | Decontaminate()
        for name in ("kept", "errors"):
            screened._asdict()[name] | f"Count {name}" >> ByMinute(name) | f"Print {name}" >> beam.Map(print)


if __name__ == "__main__":
    main()
