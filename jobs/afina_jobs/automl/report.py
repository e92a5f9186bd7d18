"""The report of a job for people and for programs: one HTML page that needs nothing else, and the same as JSON."""

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, roc_curve

from afina_jobs.automl.choosing import Standing
from afina_jobs.automl.leakage.findings import Finding
from afina_jobs.automl.problem import Problem
from afina_jobs.automl.quantization import Quantized
from afina_models.arrays import Array
from afina_models.classes import labels

_MAX_BARS = 25
_MAX_CLASSES = 30
_MAX_POINTS = 5000
_BINS = 10
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: sans-serif; margin: 2rem auto; max-width: 70rem }}
table {{ border-collapse: collapse }} td, th {{ padding: .2rem 1.5rem .2rem 0; text-align: left }}
</style><script>{script}</script></head><body><h1>{title}</h1>{body}</body></html>
"""


@dataclass(frozen=True)
class Report:
    """What is told of a job."""

    title: str
    problem: Problem
    chosen: str
    leaderboard: Sequence[Standing]
    scores: Mapping[str, float]
    """Of the chosen model, on the holdout."""
    scientific: Mapping[str, float]
    importance: Mapping[str, float]
    """Of each column: by how much the metric gets worse when it is shuffled."""
    tree_shap: Mapping[str, float] | None
    findings: Sequence[Finding]
    """Leaks that the spec allows."""
    calibration: str
    threshold: float
    quantized: Quantized | None
    """Where the spec asks for it."""
    rows: Mapping[str, int]


def write(report: Report, target: Array, predicted: Array, folder: Path) -> list[Path]:
    """Write `report.json` and `report.html`.

    Args:
        report: what to tell.
        target: of the holdout.
        predicted: of the holdout: probabilities, or numbers.
        folder: where to.
    """
    page, data = folder / "report.html", folder / "report.json"
    state = asdict(report)
    if report.problem.classes:
        state["confusion"] = _confusion(report, target, predicted).tolist()
    data.write_text(json.dumps(state, indent=1, allow_nan=False, default=float))
    page.write_text(_page(report, target, predicted))
    return [page, data]


def _page(report: Report, target: Array, predicted: Array) -> str:
    metric = report.problem.metric
    parts = [
        f"<p>{_safe(report.problem.task)}, judged by {metric}. Chosen: <b>{_safe(report.chosen)}</b>"
        f"{_chances(report)}.</p>",
        "<h2>Leaderboard</h2>",
        _table(
            ("model", f"{metric}, cross-validated", "95 % interval", "fit s", "p95 ms", "bytes", ""),
            map(_row, report.leaderboard),
        ),
        "<h2>On the holdout</h2>",
        _table(("", ""), ((name, f"{value:.6g}") for name, value in {**report.scores, **report.scientific}.items())),
        _table(("rows", ""), ((name, str(count)) for name, count in report.rows.items())),
        *_quantized(report.quantized),
        *(f"<p>Allowed although it looks like a leak: {_safe(finding)}</p>" for finding in report.findings),
    ]
    figures = [_bars(f"Permutation importance: how much worse {metric} gets", report.importance)]
    if report.tree_shap:
        figures.append(_bars("Mean absolute TreeSHAP of the first boosted member", report.tree_shap))
    if report.problem.classes:
        figures += _class_figures(report, target, predicted)
    elif report.problem.task == "Regression":
        figures += _number_figures(target, predicted)
    parts += [figure.to_html(full_html=False, include_plotlyjs=False) for figure in figures]
    return _PAGE.format(title=_safe(report.title), script=get_plotlyjs(), body="".join(parts))


def _chances(report: Report) -> str:
    """How probabilities are made and used."""
    if not report.problem.classes:
        return ""
    return f", calibration {_safe(report.calibration)}, threshold {report.threshold:g}"


def _quantized(found: Quantized | None) -> list[str]:
    """Both models side by side."""
    if found is None:
        return []
    parts = ["<h2>Weights of 8 bits</h2>", f"<p>{_safe(found.message)}</p>"]
    if found.floats and found.int8:
        floats, int8 = found.floats.figures(), found.int8.figures()
        rows = ((name, f"{value:.9g}", f"{int8[name]:.9g}") for name, value in floats.items() if name in int8)
        parts.append(_table(("", "floats", "INT8"), rows))
    return parts


def _class_figures(report: Report, target: Array, predicted: Array) -> list[go.Figure]:
    names = list(report.problem.classes)
    found = []
    if len(names) <= _MAX_CLASSES:
        heat = go.Heatmap(z=_confusion(report, target, predicted), x=names, y=names, texttemplate="%{z}")
        layout = {"title": "Confusion", "xaxis_title": "predicted", "yaxis_title": "true"}
        found.append(go.Figure(heat, layout).update_xaxes(type="category").update_yaxes(type="category"))
    curves, reliability = go.Figure(layout={"title": "ROC"}), go.Figure(layout={"title": "Calibration"})
    for code in [1] if len(names) == 2 else range(min(len(names), _MAX_CLASSES)):
        hits = target == code
        if hits.all() or not hits.any():
            continue
        wrong, right, _ = roc_curve(hits, predicted[:, code])
        curves.add_scatter(x=wrong, y=right, name=names[code])
        share, said = calibration_curve(hits, predicted[:, code], n_bins=_BINS, strategy="quantile")
        reliability.add_scatter(x=said, y=share, name=names[code], mode="lines+markers")
    reliability.add_scatter(x=[0, 1], y=[0, 1], name="ideal", line={"dash": "dot"})
    return [*found, curves, reliability]


def _number_figures(target: Array, predicted: Array) -> list[go.Figure]:
    truth, said = target[:_MAX_POINTS], predicted[:_MAX_POINTS]
    cloud = go.Figure(
        go.Scattergl(x=said, y=said - truth, mode="markers"),
        {"title": "Residuals", "xaxis_title": "predicted", "yaxis_title": "predicted - true"},
    )
    return [cloud, go.Figure(go.Histogram(x=predicted - target), {"title": "Distribution of the residuals"})]


def _confusion(report: Report, target: Array, predicted: Array) -> Array:
    known = np.arange(len(report.problem.classes))
    return np.asarray(confusion_matrix(target, labels(predicted, report.threshold), labels=known))


def _bars(title: str, values: Mapping[str, float]) -> go.Figure:
    names = list(values)[:_MAX_BARS][::-1]
    return go.Figure(go.Bar(x=[values[name] for name in names], y=names, orientation="h"), {"title": title})


def _row(line: Standing) -> tuple[str, ...]:
    interval = f"{line.interval[0]:.5g} to {line.interval[1]:.5g}" if line.interval else ""
    numbers = ((line.score, ".6g"), (line.fit_seconds, ".2f"), (line.p95_milliseconds, ".2f"), (line.size_bytes, ",d"))
    score, seconds, p95, size = ("" if number is None else format(number, how) for number, how in numbers)
    return line.name, score, interval, seconds, p95, size, line.message


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_safe(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _safe(value: object) -> str:
    return html.escape(str(value))
