"""The Open Inference Protocol by gRPC, spoken by a client that nobody here wrote."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from tritonclient.utils import InferenceServerException

from afina_serving.settings import Limits
from support.model_servers import ModelServer, a_server
from support.models import DTYPES, HOUSE, KINDS, a_regressor
from support.searches import wait_for
from support.slow_servers import Slow

NUMBERS = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]])


def client_of(server: ModelServer) -> InferenceServerClient:
    return InferenceServerClient(f"127.0.0.1:{server.grpc_port}")


@pytest.fixture
def stub(regressor: ModelServer) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{regressor.grpc_port}") as channel:
        yield GRPCInferenceServiceStub(channel)


def tensor(name: str, kind: str, values: list[object]) -> InferInput:
    array = np.array(values, dtype=DTYPES[kind])
    found = InferInput(name, list(array.shape), kind)
    found.set_data_from_numpy(array)
    return found


def matrix(numbers: np.ndarray[Any, Any] = NUMBERS) -> InferInput:
    found = InferInput("rows", list(numbers.shape), "FP64")
    found.set_data_from_numpy(numbers)
    return found


def test_health(classifier: ModelServer) -> None:
    client = client_of(classifier)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("houses")
    assert client.is_model_ready("houses", "3")
    for name, version in (("houses", "4"), ("flats", "")):
        with pytest.raises(InferenceServerException) as error:
            client.is_model_ready(name, version)
        assert error.value.status() == "StatusCode.NOT_FOUND"


def test_the_metadata_is_that_of_the_other_protocol(classifier: ModelServer) -> None:
    client = client_of(classifier)
    assert client.get_server_metadata(as_json=True) == classifier.get("/v2").json
    found = client.get_model_metadata("houses", "3", as_json=True)
    # Whole numbers of 64 bits are texts in protobuf's JSON.
    for tensor in (*found["inputs"], *found["outputs"]):
        tensor["shape"] = [int(size) for size in tensor["shape"]]
    assert found == classifier.get("/v2/models/houses").json


def test_classes_are_those_of_the_other_protocol(classifier: ModelServer) -> None:
    before = classifier.metric("afina_model_requests_total", '{code="200"}')
    inputs = [tensor(name, KINDS[name], [HOUSE[name]] * 4) for name in HOUSE]
    found = client_of(classifier).infer("houses", inputs, "3", request_id="7")
    said = found.get_response()
    assert (said.model_name, said.model_version, said.id) == ("houses", "3", "7")
    assert found.as_numpy("predict").tolist() == [b"high"] * 4
    plain = classifier.post("/predict", {"rows": [HOUSE]}).json["predictions"][0]
    assert found.as_numpy("probabilities").tolist() == [pytest.approx(list(plain["probabilities"].values()))] * 4
    assert classifier.metric("afina_model_requests_total", '{code="200"}') == before + 2


def test_numbers_and_the_outputs_that_are_asked_for(regressor: ModelServer) -> None:
    client = client_of(regressor)
    found = client.infer("houses", [matrix()])
    assert found.as_numpy("predict") == pytest.approx(NUMBERS @ [3, 2, 1], abs=0.1)
    assert found.as_numpy("upper") - found.as_numpy("lower") == pytest.approx([1.0, 1.0])
    only = client.infer("houses", [matrix()], outputs=[InferRequestedOutput("lower")])
    assert [one.name for one in only.get_response().outputs] == ["lower"]
    assert only.as_numpy("lower") == pytest.approx(found.as_numpy("lower"))


def request(datatype: str, contents: dict[str, list[object]], **changes: object) -> messages.ModelInferRequest:
    inputs = [{"name": "rows", "datatype": datatype, "shape": [1, 3], "contents": contents}]
    return messages.ModelInferRequest(**{"model_name": "houses", "inputs": inputs, **changes})


@pytest.mark.parametrize(
    ("datatypes", "field"),
    [
        ("INT8 INT16 INT32", "int_contents"),
        ("INT64", "int64_contents"),
        ("UINT8 UINT16 UINT32", "uint_contents"),
        ("UINT64", "uint64_contents"),
        ("FP32", "fp32_contents"),
        ("FP64", "fp64_contents"),
        ("BOOL", "bool_contents"),
    ],
)
def test_values_get_values(datatypes: str, field: str, stub: Any) -> None:
    for datatype in datatypes.split():
        found = stub.ModelInfer(request(datatype, {field: [True, False, True] if datatype == "BOOL" else [1, 0, 1]}))
        assert [one.name for one in found.outputs] == ["predict", "lower", "upper"]
        assert list(found.outputs[0].contents.fp64_contents) == [pytest.approx(4, abs=0.1)]
        assert list(found.raw_output_contents) == []


def test_texts_get_texts(classifier: ModelServer) -> None:
    values = {
        "area": {"fp64_contents": [150.0]},
        "town": {"bytes_contents": [b"Soria"]},
        "garden": {"bool_contents": [True]},
        "built": {"bytes_contents": [b"1999-05-01T00:00:00Z"]},
        "note": {"bytes_contents": [b"as good as new"]},
    }
    inputs = [
        {"name": name, "datatype": KINDS[name], "shape": [1, 1], "contents": contents}
        for name, contents in values.items()
    ]
    with grpc.insecure_channel(f"127.0.0.1:{classifier.grpc_port}") as channel:
        found, call = GRPCInferenceServiceStub(channel).ModelInfer.with_call(
            messages.ModelInferRequest(model_name="houses", inputs=inputs)
        )
    assert list(found.outputs[0].contents.bytes_contents) == [b"high"]
    assert dict(call.trailing_metadata())["afina-revision"] == "mldep-houses-1"


RAW = np.array([1.0, 0.0, 1.0]).tobytes()
INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
NO_VALUES: dict[str, list[object]] = {}
WRONG = {
    "another model": (request("FP64", {"fp64_contents": [1, 0, 1]}, model_name="flats"), NOT_FOUND, "no model 'flats'"),
    "another version": (request("FP64", NO_VALUES, model_version="4"), NOT_FOUND, "there is no version '4'"),
    "no tensor": (request("FP64", NO_VALUES, inputs=[]), INVALID, "inputs: there are none"),
    "another datatype": (request("FP63", NO_VALUES), INVALID, "inputs.0 (rows): datatype: there is no 'FP63'"),
    "too few values": (request("FP64", {"fp64_contents": [1]}), INVALID, "[1, 3] wants 3 values, and there are 1"),
    "values of another type": (request("FP64", {"int_contents": [1, 0, 1]}), INVALID, "and there are 0"),
    "halves": (request("FP16", {"fp32_contents": [1, 0, 1]}), INVALID, "FP16 comes in raw_input_contents"),
    "no UTF-8": (request("BYTES", {"bytes_contents": [b"\xff"] * 3}), INVALID, "inputs.0 (rows): 'utf-8' codec"),
    "a negative shape": (
        request("FP64", NO_VALUES, inputs=[{"name": "a", "datatype": "FP64", "shape": [-1]}]), INVALID, "shape: [-1]",
    ),
    "bytes and values": (
        request("FP64", {"fp64_contents": [1, 0, 1]}, raw_input_contents=[RAW]), INVALID, "raw_input_contents too",
    ),
    "bytes for two": (
        request("FP64", NO_VALUES, raw_input_contents=[RAW, RAW]), INVALID, "1 inputs need as many, and there are 2",
    ),
    "an unknown output": (
        request("FP64", {"fp64_contents": [1, 0, 1]}, outputs=[{"name": "risk"}]), INVALID, "there is no 'risk'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named(
    case: tuple[messages.ModelInferRequest, grpc.StatusCode, str], stub: Any, regressor: ModelServer
) -> None:
    asked, code, message = case
    counted = '{code="404"}' if code is NOT_FOUND else '{code="400"}'
    before = regressor.metric("afina_model_requests_total", counted)
    with pytest.raises(grpc.RpcError) as error:
        stub.ModelInfer(asked)
    assert error.value.code() is code
    assert message in error.value.details()
    assert regressor.metric("afina_model_requests_total", counted) == before + 1


def test_what_is_no_message_is_refused(regressor: ModelServer) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{regressor.grpc_port}") as channel:
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(b"\xff\xff")
        assert error.value.code() is INVALID
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary("/inference.GRPCInferenceService/RepositoryIndex")(b"")
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_what_is_too_long_or_compressed_is_refused(classifier: ModelServer) -> None:
    client = client_of(classifier)
    with pytest.raises(InferenceServerException, match="larger than max"):
        client.infer("houses", [matrix(np.zeros((30_000, 1)))])
    with pytest.raises(InferenceServerException, match="gzip"):
        client.infer("houses", [matrix(np.zeros((20, 100)))], compression_algorithm="gzip")
    assert client.is_server_ready()


def test_a_full_queue_says_come_back_later(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    slow.slow_down(monkeypatch)
    client = client_of(slow.server)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(client.infer, "houses", [matrix()]) for _ in range(2)]
        wait_for(lambda: slow.held == 2)
        with (
            grpc.insecure_channel(f"127.0.0.1:{slow.server.grpc_port}") as channel,
            pytest.raises(grpc.RpcError) as full,
        ):
            GRPCInferenceServiceStub(channel).ModelInfer(request("FP64", NO_VALUES))
        assert full.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert dict(full.value.trailing_metadata())["retry-after"] == "1"
        assert client.is_server_live()
        for one in waiting:
            late = one.exception()
            assert isinstance(late, InferenceServerException)
            assert late.status() == "StatusCode.DEADLINE_EXCEEDED"


def test_a_client_that_does_not_wait_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Slow(tmp_path, Limits()) as slow, grpc.insecure_channel(f"127.0.0.1:{slow.server.grpc_port}") as channel:
        slow.slow_down(monkeypatch)
        call = GRPCInferenceServiceStub(channel).ModelInfer.future(request("FP64", {"fp64_contents": [1, 0, 1]}))
        assert slow.begun.acquire(timeout=30)
        call.cancel()
        wait_for(lambda: slow.server.metric("afina_model_requests_total", '{code="499"}') == 1)


def test_told_to_end_it_answers_what_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Slow(tmp_path, Limits()) as slow, ThreadPoolExecutor(1) as pool:
        slow.slow_down(monkeypatch)
        begun = pool.submit(client_of(slow.server).infer, "houses", [matrix()])
        assert slow.begun.acquire(timeout=30)
        slow.end()
        wait_for(lambda: not is_reachable(slow.server))
        slow.let.set()
        assert begun.result().as_numpy("predict").shape == (2,)


def test_told_to_end_it_is_not_ready(tmp_path: Path) -> None:
    with a_server(tmp_path, a_regressor(tmp_path)) as server:
        assert server.process
        client = client_of(server)
        assert client.is_server_ready()
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not client.is_server_ready())
        assert not client.is_model_ready("houses")
        assert client.infer("houses", [matrix()]).as_numpy("predict").shape == (2,)
        assert server.process.wait(30) == 0


def is_reachable(server: ModelServer) -> bool:
    try:
        return bool(client_of(server).is_server_live(client_timeout=5))
    except InferenceServerException:
        return False
