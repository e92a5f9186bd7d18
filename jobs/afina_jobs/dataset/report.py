"""The report about a Dataset: report.json for programs, report.html for people, complete in one file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from afina_api.base import as_json
from afina_api.dataset import Finding, Rejected
from afina_api.reasons import DatasetReason, RejectReason
from afina_jobs.dataset.limits import size
from afina_jobs.dataset.statistics import ColumnStatistics

_MAX_SHOWN = 300
"""Columns with a picture; all are in report.json."""
_MEANINGS = {reason.value: reason.meaning for reason in RejectReason}
_STYLE = (Path(__file__).parent / "report.css").read_text()


@dataclass(frozen=True)
class Report:
    """All there is to say about a Dataset."""

    name: str
    namespace: str
    source: str
    digest: str
    bytes: int
    rows: int
    rejected: list[Rejected]
    findings: list[Finding]
    columns: list[ColumnStatistics]
    images: dict[str, Any] | None
    """Histograms of the images' sizes and scores."""
    reason: DatasetReason
    message: str

    @property
    def rows_in(self) -> int:
        """Rows of the source, and images without a row."""
        return self.rows + sum(rejected.count for rejected in self.rejected)

    def as_json(self) -> dict[str, Any]:
        """As report.json has it."""
        images = {"images": self.images} if self.images else {}
        return {
            "name": self.name,
            "namespace": self.namespace,
            "reason": self.reason.value,
            "message": self.message,
            "source": self.source,
            "digest": self.digest,
            "bytes": self.bytes,
            "rowsIn": self.rows_in,
            "rows": self.rows,
            "rejected": [as_json(rejected) for rejected in self.rejected],
            "findings": [as_json(finding) for finding in self.findings],
            "columns": [column.as_json() for column in self.columns],
        } | images


def write_report(report: Report, folder: Path) -> None:
    """Write report.json and report.html."""
    (folder / "report.json").write_text(json.dumps(report.as_json(), indent=1, allow_nan=False))
    (folder / "report.html").write_text(html(report), encoding="utf-8")


def html(report: Report) -> str:
    """The report as a page that needs nothing else."""
    good = "good" if report.reason == DatasetReason.ACCEPTED else "bad"
    sections = [
        f"<header><h1>{escape(report.name)}</h1><span class='{good}'>{report.reason}</span></header>",
        f"<p class='lead'>{escape(report.message)}</p>",
        _summary(report),
        _rejected(report),
        _findings(report.findings),
        _pictures("Images", [_card(name, "", found) for name, found in (report.images or {}).items()]),
        _pictures("Columns", [_column(column, report.rows) for column in report.columns[:_MAX_SHOWN]]),
    ]
    if len(report.columns) > _MAX_SHOWN:
        sections.append(f"<p>{len(report.columns) - _MAX_SHOWN:,} more columns are in report.json.</p>")
    head = f"<meta charset='utf-8'><title>{escape(report.name)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(sections)}</body></html>"


def _summary(report: Report) -> str:
    facts = {
        "accepted": f"{report.rows:,}",
        "rejected": f"{report.rows_in - report.rows:,}",
        "columns": f"{len(report.columns):,}",
        "bytes": size(report.bytes),
    }
    tiles = "".join(f"<div><b>{value}</b>{name}</div>" for name, value in facts.items())
    origin = f"{escape(report.source)}<br><code>{report.digest}</code>"
    return f"<div class='tiles'>{tiles}</div><p class='origin'>{origin}</p>"


def _rejected(report: Report) -> str:
    if not report.rejected:
        return ""
    most = max(rejected.count for rejected in report.rejected)
    rows = "".join(
        f"<tr title='{escape(_MEANINGS[found.reason])}'><td>{escape(found.reason)}</td>"
        f"<td class='number'>{found.count:,}</td>"
        f"<td class='wide'><div class='bar' style='width:{100 * found.count / most:.1f}%'></div></td></tr>"
        for found in report.rejected
    )
    return f"<h2>Rejected, by reason</h2><table>{rows}</table><p>Which ones: rejected.csv, beside this page.</p>"


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return "<h2>Findings</h2><p>Every rule holds.</p>"
    rows = "".join(
        f"<tr><td class='{found.severity.lower()}'>{found.severity}</td><td>{escape(found.rule)}</td>"
        f"<td class='wide'>{escape(found.message)}</td></tr>"
        for found in findings
    )
    return f"<h2>Findings</h2><table>{rows}</table>"


def _pictures(title: str, cards: Sequence[str]) -> str:
    return f"<h2>{title}</h2><div class='cards'>{''.join(cards)}</div>" if cards else ""


def _column(column: ColumnStatistics, rows: int) -> str:
    exact = "" if column.distinct_is_exact else "over "
    missing = f", {column.missing / rows:.1%} missing" if column.missing and rows else ""
    what = f"{column.type}, {exact}{column.distinct:,} different{missing}"
    if "histogram" in column.details:
        return _card(column.name, what, column.details["histogram"], column.details["min"], column.details["max"])
    return _card_of_words(column.name, what, column.details.get("top", []))


def _card(name: str, what: str, histogram: dict[str, Any], low: Any = None, high: Any = None) -> str:
    counts, edges = histogram["counts"], histogram["edges"]
    low, high = (edges[0] if low is None else low), (edges[-1] if high is None else high)
    most, width = max(counts) or 1, 200 / len(counts)
    bars = "".join(
        f"<rect x='{index * width:.1f}' y='{60 - 60 * count / most:.1f}' width='{width - 1:.1f}' "
        f"height='{60 * count / most:.1f}'><title>{count:,}</title></rect>"
        for index, count in enumerate(counts)
    )
    picture = f"<svg viewBox='0 0 200 60' preserveAspectRatio='none'>{bars}</svg>"
    ends = f"<p class='range'><span>{escape(_short(low))}</span><span>{escape(_short(high))}</span></p>"
    return f"{_titled(name, what)}{picture}{ends}</div>"


def _card_of_words(name: str, what: str, top: Sequence[dict[str, Any]]) -> str:
    most = max((entry["count"] for entry in top), default=1)
    words = "".join(
        f"<div class='word'><div class='bar' style='width:{100 * entry['count'] / most:.1f}%'></div>"
        f"<span>{escape(_short(entry['value']))}</span><span>{entry['count']:,}</span></div>"
        for entry in top[:5]
    )
    return f"{_titled(name, what)}{words}</div>"


def _titled(name: str, what: str) -> str:
    return f"<div class='card'><h3>{escape(name)}</h3><p>{escape(what)}</p>"


def _short(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)[:40]
