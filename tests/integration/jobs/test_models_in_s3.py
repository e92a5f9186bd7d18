"""A model that lies in a real S3 server, without a registry."""

from pathlib import Path

import pytest

from support.model_servers import a_server
from support.models import a_regressor
from support.s3 import KEYS, S3Server

pytestmark = pytest.mark.integration

BUCKET = "plain-models"


def test_is_served_from_there(s3_server: S3Server, tmp_path: Path) -> None:
    digest = a_regressor(tmp_path)
    client = s3_server.client()
    client.create_bucket(Bucket=BUCKET)
    for file in (tmp_path / "model").rglob("*.*"):
        client.upload_file(str(file), BUCKET, f"sums/7/{file.relative_to(tmp_path / 'model')}")
    place = {"AFINA_MODEL": f"s3://{BUCKET}/sums/7", "MLFLOW_S3_ENDPOINT_URL": s3_server.url}
    with a_server(tmp_path, digest, **place, **KEYS, AWS_DEFAULT_REGION="us-east-1") as server:
        (answer,) = server.post("/predict", {"rows": [{"a": 1, "b": 2, "c": 3}]}).json["predictions"]
    assert answer["estimate"] == pytest.approx(10, abs=0.5)
