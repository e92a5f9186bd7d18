"""The Open Inference Protocol, spoken by a client that nobody here wrote."""

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from support.model_servers import ModelServer
from support.models import DTYPES, HOUSE, KINDS


def client_of(server: ModelServer) -> InferenceServerClient:
    return InferenceServerClient(f"127.0.0.1:{server.port}")


def tensor(name: str, kind: str, values: list[object], *, binary: bool, column: bool = False) -> InferInput:
    array = np.array(values, dtype=DTYPES[kind])
    array = array.reshape(-1, 1) if column else array
    found = InferInput(name, list(array.shape), kind)
    found.set_data_from_numpy(array, binary_data=binary)
    return found


def houses(rows: int, *, binary: bool, column: bool = False) -> list[InferInput]:
    return [tensor(name, KINDS[name], [HOUSE[name]] * rows, binary=binary, column=column) for name in HOUSE]


def test_health(classifier: ModelServer) -> None:
    client = client_of(classifier)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("houses")
    assert client.is_model_ready("houses", "3")
    assert not client.is_model_ready("houses", "4")
    assert not client.is_model_ready("flats")


def test_metadata(classifier: ModelServer) -> None:
    client = client_of(classifier)
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    about = client.get_model_metadata("houses", "3")
    assert (about["name"], about["versions"]) == ("houses", ["3"])
    assert {one["name"]: one["datatype"] for one in about["inputs"]} == KINDS
    assert [one["name"] for one in about["outputs"]] == ["predict", "probabilities"]


@pytest.mark.parametrize("binary", [False, True], ids=["JSON", "binary"])
@pytest.mark.parametrize("column", [False, True], ids=["[n]", "[n, 1]"])
def test_classes(classifier: ModelServer, binary: bool, column: bool) -> None:
    wanted = [InferRequestedOutput(name, binary_data=binary) for name in ("predict", "probabilities")]
    found = client_of(classifier).infer(
        "houses", houses(4, binary=binary, column=column), "3", outputs=wanted, request_id="7"
    )
    said = found.get_response()
    assert (said["model_name"], said["model_version"], said["id"]) == ("houses", "3", "7")
    assert [value.decode() if isinstance(value, bytes) else value for value in found.as_numpy("predict")] == [
        "high"
    ] * 4
    chances = found.as_numpy("probabilities")
    assert chances.shape == (4, 3)
    assert chances.sum(axis=1) == pytest.approx(np.ones(4))
    plain = classifier.post("/predict", {"rows": [HOUSE]}).json["predictions"][0]
    assert chances[0].tolist() == pytest.approx(list(plain["probabilities"].values()))


def test_numbers_as_columns_and_as_one_matrix(regressor: ModelServer) -> None:
    client = client_of(regressor)
    numbers = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]])
    matrix = InferInput("rows", [2, 3], "FP64")
    matrix.set_data_from_numpy(numbers)
    columns = [tensor(name, "FP64", numbers[:, index].tolist(), binary=True) for index, name in enumerate("abc")]
    for inputs in ([matrix], columns, columns[::-1]):
        found = client.infer("houses", inputs)
        assert found.as_numpy("predict") == pytest.approx(numbers @ [3, 2, 1], abs=0.1)
        assert found.as_numpy("upper") - found.as_numpy("lower") == pytest.approx([1.0, 1.0])
    only = client.infer("houses", [matrix], outputs=[InferRequestedOutput("predict")])
    assert [one["name"] for one in only.get_response()["outputs"]] == ["predict"]


def test_how_far_the_members_are_apart(ensemble_of_numbers: ModelServer, regressor: ModelServer) -> None:
    client = client_of(ensemble_of_numbers)
    names = [one["name"] for one in client.get_model_metadata("houses")["outputs"]]
    assert names == ["predict", "lower", "upper", "spread"]
    rows = np.array([[1.0, 1.0, 1.0], [9.0, 9.0, 9.0]])
    matrix = InferInput("rows", [2, 3], "FP64").set_data_from_numpy(rows)
    plain = ensemble_of_numbers.post(
        "/predict", {"rows": [dict(zip("abc", row, strict=True)) for row in rows.tolist()]}
    )
    spread = client.infer("houses", [matrix]).as_numpy("spread")
    assert spread.tolist() == [one["spread"] for one in plain.json["predictions"]]
    with pytest.raises(InferenceServerException, match="there is no 'spread'"):
        client_of(regressor).infer("houses", [matrix], outputs=[InferRequestedOutput("spread")])


def test_whole_numbers_and_what_is_missing(regressor: ModelServer) -> None:
    client = client_of(regressor)
    whole = [tensor(name, "INT64", [1], binary=True) for name in "abc"]
    assert client.infer("houses", whole).as_numpy("predict") == pytest.approx([6], abs=0.1)
    missing = [tensor(name, "FP64", [np.nan if name == "a" else 1.0], binary=True) for name in "abc"]
    without = {
        "inputs": [{"name": n, "shape": [1], "datatype": "FP64", "data": [None if n == "a" else 1]} for n in "abc"]
    }
    said = client.infer("houses", missing).as_numpy("predict")
    assert regressor.post("/v2/models/houses/infer", without).json["outputs"][0]["data"] == pytest.approx(said)


WRONG = {
    "another model": ("flats", "", {}, "there is no model 'flats'"),
    "another version": ("houses", "4", {}, "there is no version '4'"),
    "a column too few": ("houses", "", {"note": None}, "the column 'note' is missing"),
    "a column too many": ("houses", "", {"notes": ("BYTES", ["x"])}, "no column 'notes'"),
    "texts for numbers": ("houses", "", {"area": ("BYTES", ["x"])}, "'area' is Numeric"),
    "more rows in one": ("houses", "", {"area": ("FP64", [1.0, 2.0])}, "1 to 2 rows"),
    "no date": ("houses", "", {"built": ("BYTES", ["one day"])}, "'built': value 0 is 'one day'"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("binary", [False, True], ids=["JSON", "binary"])
def test_what_is_wrong_is_named(
    case: tuple[str, str, dict[str, tuple[str, list[object]] | None], str], binary: bool, classifier: ModelServer
) -> None:
    name, version, changes, message = case
    given: dict[str, tuple[str, list[object]] | None] = {key: (KINDS[key], [HOUSE[key]]) for key in HOUSE}
    inputs = [tensor(key, *one, binary=binary) for key, one in (given | changes).items() if one]
    with pytest.raises(InferenceServerException, match=message) as error:
        client_of(classifier).infer(name, inputs, version)
    assert error.value.status() in ("400", "404")


def one(**changes: object) -> dict[str, object]:
    return {"name": "a", "shape": [1], "datatype": "FP64", "data": [1.0]} | changes


MALFORMED = {
    "no JSON": (b"{", None, "the body: Invalid JSON"),
    "no object": (b"[]", None, "the body: "),
    "no inputs": (b"{}", None, "inputs: Field required"),
    "another datatype": ({"inputs": [one(datatype="FP63")]}, None, "inputs.0.datatype"),
    "another shape": ({"inputs": [one(shape=[2])]}, None, "inputs.0 (a): shape [2] wants 2 values, and there are 1"),
    "a negative shape": ({"inputs": [one(shape=[-1])]}, None, "inputs.0.shape.0"),
    "no shape": ({"inputs": [one(shape=[])]}, None, "inputs.0.shape"),
    "no data": ({"inputs": [one(data=None)]}, None, "inputs.0 (a): there is no data"),
    "a text": ({"inputs": [one(data=["x"])]}, None, "value 0 is 'x', which is no FP64"),
    "a boolean": ({"inputs": [one(data=[True])]}, None, "value 0 is True, which is no FP64"),
    "a number beyond all": ({"inputs": [one(data=[10**400])]}, None, "inputs.0"),
    "a list in a list": ({"inputs": [one(data=[1.0, [2.0]], shape=[2])]}, None, "value 1 is [2.0]"),
    "twice": ({"inputs": [one(), one()]}, None, "a name comes twice"),
    "an unknown output": ({"inputs": [one()], "outputs": [{"name": "risk"}]}, None, "outputs: there is no 'risk'"),
    "a matrix too wide": ({"inputs": [one(name="x", shape=[1, 4], data=[1, 2, 3, 4])]}, None, "numbers with 3 columns"),
    "deep": (b'{"inputs": ' + b"[" * 100_000, None, "the body: Invalid JSON"),
    "a length that is none": ({"inputs": [one()]}, "x", "inference-header-content-length: 'x'"),
    "a length without end": ({"inputs": [one()]}, "9" * 5000, "is no length"),
    "a length beyond the end": ({"inputs": [one()]}, "9999", "inference-header-content-length: '9999'"),
    "bytes left over": (
        b'{"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[1]}]}xx', "66", "2 bytes come after",
    ),
    "bytes cut off": (
        b'{"inputs":[{"name":"a","shape":[1],"datatype":"FP64","parameters":{"binary_data_size":8}}]}xx', "91",
        "its 2 bytes are no FP64",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_malformed_is_refused(case: tuple[object, str | None, str], regressor: ModelServer) -> None:
    body, length, message = case
    headers = {} if length is None else {"Inference-Header-Content-Length": length}
    found = regressor.post("/v2/models/houses/infer", body, headers)
    assert found.status == 400
    assert message in found.json["error"]
