"""From what a model was asked to a Dataset, by way of a real S3 server."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from afina_api.serving import LOG_KEYS, REQUEST_HEADER
from support.model_servers import a_server
from support.models import HOUSE, a_classifier
from support.s3 import KEYS, S3Server
from support.sources import dataset, made

pytestmark = pytest.mark.integration

BUCKET = "answers"
_END_SECONDS = 30


def a_log(s3: S3Server, **sink: str) -> dict[str, str]:
    place = {"bucket": BUCKET, "endpointUrl": s3.url, "prefix": "houses/", **sink}
    settings = {"sampleRate": 1, "redact": ["note"], "sink": {"s3": place}}
    return {"AFINA_LOG": json.dumps(settings), **dict(zip(LOG_KEYS, KEYS.values(), strict=True))}


def test_a_dataset_is_made_of_what_was_asked(s3_server: S3Server, tmp_path: Path) -> None:
    s3_server.client().create_bucket(Bucket=BUCKET)
    with a_server(tmp_path, a_classifier(tmp_path), **a_log(s3_server)) as server:
        answers = [server.post("/predict", {"rows": [{**HOUSE, "area": area}]}) for area in (20, 90, 190)]
        assert server.process
        server.process.terminate()
        assert server.process.wait(_END_SECONDS) == 0
    (file,) = (s3_server.buckets / BUCKET / "houses" / "mldep-houses-1").rglob("*.jsonl.gz")
    key = str(file.relative_to(s3_server.buckets / BUCKET))
    source = {"s3": {"bucket": BUCKET, "key": key, "endpointUrl": s3_server.url}}
    outcome = made(tmp_path / "dataset", dataset(source, "JSONLines"), ("127.0.0.1",), KEYS)
    assert outcome.succeeded, outcome.message
    rows = pq.read_table(tmp_path / "dataset" / "volume" / "data.parquet").to_pylist()
    assert [row["area"] for row in rows] == [20, 90, 190]
    assert [row["afina_prediction"] for row in rows] == [answer.json["predictions"][0]["label"] for answer in answers]
    assert [row["afina_request"] for row in rows] == [answer.headers[REQUEST_HEADER.lower()] for answer in answers]
    assert "note" not in rows[0]


@pytest.mark.parametrize("sink", [{"bucket": "none-such"}, {"endpointUrl": "http://127.0.0.1:9"}])
def test_a_sink_that_is_not_there_costs_no_answer(sink: dict[str, str], s3_server: S3Server, tmp_path: Path) -> None:
    with a_server(tmp_path, a_classifier(tmp_path), **a_log(s3_server, **sink)) as server:
        assert server.post("/predict", {"rows": [HOUSE]}).status == 200
        assert server.process
        server.process.terminate()
        assert server.process.wait(_END_SECONDS) == 0
