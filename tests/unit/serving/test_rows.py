"""`/predict`: rows as an application has them."""

import pytest

from support.model_servers import ModelServer
from support.models import HOUSE


def test_classes(classifier: ModelServer) -> None:
    found = classifier.post("/predict", {"rows": [HOUSE, {**HOUSE, "area": 30}]})
    assert found.status == 200
    assert found.headers["afina-revision"] == found.json["revision"] == "mldep-houses-1"
    assert found.json["model_version"] == "3"
    assert found.json["processing_time"] > 0
    assert found.json["warnings"] == []
    first, second = found.json["predictions"]
    assert (first["label"], second["label"]) == ("high", "low")
    assert sum(first["probabilities"].values()) == pytest.approx(1)
    assert first["label"] in first["set"]
    assert first["confidence"] + first["uncertainty"] == pytest.approx(1)
    assert first["risk_level"] in ("low", "medium", "high", "very_high")


def test_numbers(regressor: ModelServer) -> None:
    (found,) = regressor.post("/predict", {"rows": [{"a": 1, "b": 1, "c": 1}]}).json["predictions"]
    assert found["estimate"] == pytest.approx(6, abs=0.1)
    assert found["interval"] == pytest.approx([found["estimate"] - 0.5, found["estimate"] + 0.5])
    assert found["uncertainty"] == 0.5


def test_what_is_missing_or_unreadable_is_told(classifier: ModelServer) -> None:
    found = classifier.post("/predict", {"rows": [{"area": "large", "town": "Atlantis"}, HOUSE]})
    assert found.status == 200
    assert found.json["warnings"] == [
        "the column 'garden' is missing in 1 of 2 rows",
        "the column 'built' is missing in 1 of 2 rows",
        "the column 'note' is missing in 1 of 2 rows",
        "rows.0.area: 'large' is not Numeric: it is taken as missing",
    ]


WRONG = {
    "a typo": ({"rows": [HOUSE, {**HOUSE, "gardn": True}]}, 422, "rows.1: the model has no column 'gardn'"),
    "a list": ({"rows": [{"area": [1]}]}, 422, "rows.0.area: a number"),
    "no rows": ({"rows": []}, 422, "rows: "),
    "no list": ({"rows": {"area": 1}}, 422, "rows: "),
    "no row": ({"rows": [1]}, 422, "rows.0: "),
    "another key": ({"rows": [{}], "row": 1}, 422, "row: "),
    "too many": ({"rows": [{}] * 10_001}, 413, "at most 10000 items"),
    "no JSON": (b"rows", 400, "the body: Invalid JSON"),
    "nothing": (b"", 400, "the body: Invalid JSON"),
    "deep": (b'{"rows": ' + b"[" * 100_000, 400, "the body: Invalid JSON"),
    "no UTF-8": (b'{"rows": [{"town": "\xff"}]}', 400, "the body: Invalid JSON"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named(case: tuple[object, int, str], classifier: ModelServer) -> None:
    body, status, message = case
    found = classifier.post("/predict", body)
    assert found.status == status
    assert message in found.json["error"]
    assert found.headers["afina-revision"]


OTHER = {
    "no such path": ("GET", "/v1", 404),
    "to be posted": ("GET", "/predict", 405),
    "to be got": ("POST", "/v2/health/live", 405),
    "no such model": ("GET", "/v2/models/flats", 404),
    "no such version": ("GET", "/v2/models/houses/versions/4", 404),
}


@pytest.mark.parametrize("case", OTHER.values(), ids=OTHER.keys())
def test_other_paths(case: tuple[str, str, int], classifier: ModelServer) -> None:
    method, path, status = case
    found = classifier.get(path) if method == "GET" else classifier.post(path, b"")
    assert found.status == status
    assert "error" in found.json


def test_what_is_counted(regressor: ModelServer) -> None:
    def counts() -> list[float]:
        codes = [regressor.metric("afina_model_requests_total", f'{{code="{code}"}}') for code in (200, 422)]
        return [
            *codes,
            regressor.metric("afina_model_rows_total"),
            regressor.metric("afina_model_request_seconds_count"),
            regressor.metric("afina_model_batch_requests_sum"),
        ]

    before = counts()
    regressor.post("/predict", {"rows": [{"a": 1, "b": 1, "c": 1}] * 3})
    regressor.post("/predict", {"rows": [{"x": 1}]})
    regressor.get("/v2/health/ready")
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [1, 1, 3, 2, 2]
    text = regressor.get("/metrics").content.decode()
    assert 'afina_model_info{digest="sha256:' in text
    assert 'revision="mldep-houses-1"' in text
    assert 'afina_model_predictions_total{bin="6.06"}' in text
    assert 'afina_model_request_seconds_bucket{le="0.00055"}' in text


def test_members_that_differ(
    ensemble_of_classes: ModelServer, ensemble_of_numbers: ModelServer, regressor: ModelServer
) -> None:
    rows = {"rows": [{"a": 1, "b": 1, "c": 1}, {"a": 9, "b": 9, "c": 9}]}
    near, far = ensemble_of_numbers.post("/predict", rows).json["predictions"]
    assert 0 < near["spread"] < far["spread"]
    assert "spread" not in regressor.post("/predict", rows).json["predictions"][0]
    (house,) = ensemble_of_classes.post("/predict", {"rows": [{**HOUSE, "area": 61}]}).json["predictions"]
    assert 0 < house["spread"] <= 0.5
