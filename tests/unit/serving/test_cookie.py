"""A cookie tells which clients stay with a revision."""

from http.cookies import SimpleCookie
from pathlib import Path

from support.model_servers import a_server
from support.models import a_regressor

ROWS = {"rows": [{"a": 1, "b": 1, "c": 1}]}
TENSORS = {"inputs": [{"name": name, "datatype": "FP64", "shape": [1], "data": [1]} for name in "abc"]}


def test_a_client_without_a_bucket_gets_one_and_keeps_it(tmp_path: Path) -> None:
    with a_server(tmp_path, a_regressor(tmp_path), AFINA_COOKIE="bucket", AFINA_COOKIE_PATH="/sums") as server:
        seen = set()
        for path, body in (("/predict", ROWS), ("/v2/models/houses/infer", TENSORS)) * 20:
            answer = server.post(path, body)
            assert answer.status == 200
            cookie = SimpleCookie(answer.headers["set-cookie"])["bucket"]
            assert cookie["path"] == "/sums"
            assert cookie["httponly"]
            assert int(cookie["max-age"]) > 86_400
            assert len(cookie.value) == 2
            seen.add(int(cookie.value))
        # Of forty draws from a hundred some thirty-three are different.
        assert len(seen) > 15
        again = server.post("/predict", ROWS, headers={"Cookie": "a=1; bucket=07"})
        assert "set-cookie" not in again.headers
        assert "set-cookie" not in server.get("/v2/health/ready").headers


def test_without_affinity_there_is_none(tmp_path: Path) -> None:
    with a_server(tmp_path, a_regressor(tmp_path)) as server:
        assert "set-cookie" not in server.post("/predict", ROWS).headers
