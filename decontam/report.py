"""Report: what a run did, in numbers; as JSON, as Prometheus metrics, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from decontam.tally import OUTCOMES, Tally, total

SCHEMA = 1
_RULES_SHOWN = 12  # of each stage, in a terminal


def report(results: Iterable[Mapping[str, Any]], failed: Mapping[str, str], wall: float) -> dict[str, Any]:
    """The numbers of a run, from the results of its shards. `wall` is in seconds."""
    results = list(results)
    summed = total(Tally.from_dict(result["tally"]) for result in results)
    seconds: dict[str, float] = {}
    for result in results:
        for name, spent in result["seconds"].items():
            seconds[name] = seconds.get(name, 0.0) + spent
    return {
        "schema": SCHEMA,
        "balanced": summed.balanced,
        "shards": {"done": len(results), "failed": len(failed)},
        "tally": summed.to_dict(),
        "problems": {result["input"]["name"]: result["problem"] for result in results if result["problem"]} | dict(failed),
        "unscreened": sorted({path for result in results for path in result["unscreened"]}),
        "reencoded": {result["input"]["name"]: result["reencoded"] for result in results if result["reencoded"]},
        "seconds": {"wall": wall, **seconds},
    }


def metrics(report: Mapping[str, Any]) -> bytes:
    """The report in the Prometheus text format 0.0.4. Labels are stages, rules, outcomes and reasons, all of them bounded."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()

    def gauge(name: str, help: str, label: str, values: Mapping[str, float]) -> None:
        family = Gauge(f"decontam_{name}", help, [label], registry=registry)
        for key, value in values.items():
            family.labels(key).set(value)

    tally = report["tally"]
    gauge("records", "Records by what became of them.", "outcome", {name: tally["outcomes"].get(name, 0) for name in OUTCOMES})
    gauge("errors", "Records that could not be screened, by reason.", "reason", tally["errors"])
    gauge("findings", "Findings by stage/rule.", "rule", tally["findings"])
    gauge("documents", "Records with at least one finding, by stage/rule.", "rule", tally["documents"])
    gauge("stage_documents", "Records with at least one finding, by stage.", "stage", tally["stages"])
    gauge("remarks", "Records by what stages said beside their findings: scored, or why they abstained.", "remark", tally["remarks"])
    gauge("shards", "Shards by state.", "state", report["shards"])
    gauge("seconds", "Seconds over all workers by stage, and of the run by the wall clock.", "stage", report["seconds"])
    Gauge("decontam_read_records", "Records read.", registry=registry).set(tally["records"])
    Gauge("decontam_read_bytes", "Bytes of records read, decompressed.", registry=registry).set(tally["bytes"])
    Gauge("decontam_balanced", "1 where every record read is accounted for.", registry=registry).set(report["balanced"])
    return bytes(generate_latest(registry))


def table(report: Mapping[str, Any]) -> Any:
    """Per stage and rule: records, their share, findings. A rich table."""
    from rich.table import Table

    tally = report["tally"]
    records = tally["records"] or 1
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("stage/rule")
    for name in ("records", "share", "findings"):
        shown.add_column(name, justify="right")
    for stage, found in tally["stages"].items():
        rules = {rule: n for rule, n in tally["documents"].items() if rule.startswith(f"{stage}/")}
        findings = sum(n for rule, n in tally["findings"].items() if rule.startswith(f"{stage}/"))
        shown.add_row(f"[bold]{stage}[/]", f"{found:,}", f"{found / records:.2%}", f"{findings:,}")
        ranked = sorted(rules.items(), key=lambda item: (-item[1], item[0]))
        for rule, count in ranked[:_RULES_SHOWN]:
            shown.add_row(f"  {rule.partition('/')[2]}", f"{count:,}", f"{count / records:.2%}", f"{tally['findings'][rule]:,}")
        if len(ranked) > _RULES_SHOWN:
            shown.add_row(f"  and {len(ranked) - _RULES_SHOWN} more in report.json", "", "", "")
    return shown


def summary(report: Mapping[str, Any]) -> str:
    """What became of the records, in one line."""
    tally = report["tally"]
    parts = [f"{name} {tally['outcomes'][name]:,}" for name in OUTCOMES if tally["outcomes"].get(name)]
    return f"{tally['records']:,} records: " + (", ".join(parts) or "none")
