"""Screens JSON lines on Spark.

spark-submit pipelines/spark.py IN OUT [CONFIG]

OUT gets Parquet with a row for each record, by outcome: `document` goes on, `held` was taken out. Exits with 3 where rows are missing
or doubled.
"""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession

from decontam.adapters.arrow import SPARK, Screen, books
from decontam.errors import BooksError


def main(source: str, out: str, config: str = "default") -> None:
    """Lines are read as bytes: Spark's JSON reader makes nulls of what it cannot read."""
    spark = SparkSession.builder.appName("decontam").getOrCreate()
    lines = spark.read.option("lineSep", "\n").option("recursiveFileLookup", "true").text(source)
    lines = lines.filter(r"value RLIKE '\\S'").selectExpr("CAST(value AS BINARY) AS line")
    lines.mapInArrow(Screen(config, "line").batches, SPARK).write.partitionBy("outcome").parquet(out)
    written = spark.read.parquet(out)
    counts = {row["outcome"]: row["count"] for row in written.groupBy("outcome").count().collect()}
    tallies = (row["tally"] for row in written.filter("outcome = 'tally'").select("tally").toLocalIterator())
    tally = books(lines.count(), counts, tallies)
    print(f"{tally.records:,} records: {', '.join(f'{name} {count:,}' for name, count in sorted(tally.outcomes.items()))}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BooksError as error:
        print(error, file=sys.stderr)
        sys.exit(3)
