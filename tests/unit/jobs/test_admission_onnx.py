"""What becomes of graphs of ONNX: torch's own, those that converters of scikit-learn make, and those made to harm."""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.onnx
import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from mlflow.models import infer_signature
from onnx import TensorProto
from onnx.helper import (
    make_function,
    make_graph,
    make_map_type_proto,
    make_node,
    make_opsetid,
    make_sequence_type_proto,
    make_tensor_type_proto,
    make_value_info,
)
from onnx.numpy_helper import from_array
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from afina_jobs.admission.foreign import AdmissionError
from afina_jobs.admission.plain import described, read
from afina_models.arrays import Array
from support.graphs import ANY, FLOAT, a_graph, values

from .test_admission import admitted, an_mlmodel

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType")  # MLflow's, of its own code

_RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(_RNG.normal(size=(100, 3)), columns=["area", "time", "garden"])
FRAME.loc[::7, "area"] = np.nan
SIGNATURE = infer_signature(FRAME, np.zeros(100))
THREE = np.digitize(FRAME["time"] + FRAME["area"].fillna(0), [-0.5, 0.5])
Graph = onnx.ModelProto


def saved(model: Graph, folder: Path, **options: Any) -> Path:
    """A graph as MLflow saves it."""
    wanted = {"signature": SIGNATURE, "pip_requirements": ["numpy"], "save_as_external_data": False, **options}
    mlflow.onnx.save_model(model, str(folder / "model"), **wanted)
    return folder / "model"


class Filled(torch.nn.Module):
    """A network that knows of missing values."""

    def __init__(self, *layers: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(*(layer() for layer in layers))

    def forward(self, rows: Any) -> Any:
        return self.network(torch.nan_to_num(rows))


def a_network(*layers: Callable[[], Any]) -> tuple[Graph, Array]:
    """By torch's exporter, and what torch says of the rows."""
    network = Filled(*layers).eval()
    file: Any = io.BytesIO()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # the newer one needs a package more
        torch.onnx.export(
            network, (torch.zeros(2, 3),), file, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: ANY}}
        )
    said = network(torch.tensor(FRAME.to_numpy(np.float32))).detach().numpy()
    return onnx.load_from_string(file.getvalue()), said[:, 0] if said.shape[1] == 1 else said


def a_classifier() -> tuple[Graph, Array]:
    return a_network(
        lambda: torch.nn.Linear(3, 8), torch.nn.ReLU, lambda: torch.nn.Linear(8, 3), lambda: torch.nn.Softmax(1)
    )


def a_pipeline(zipped: bool = False) -> tuple[Graph, Array]:
    """As skl2onnx converts an imputer and a logistic regression."""
    fitted = make_pipeline(SimpleImputer(), LogisticRegression()).fit(FRAME.to_numpy(), THREE)
    imputer, line = fitted[0], fitted[1]
    means, weights, shifts = (np.ravel(part).tolist() for part in (imputer.statistics_, line.coef_, line.intercept_))
    ml: dict[str, Any] = {"domain": "ai.onnx.ml"}
    nodes = [
        make_node("Imputer", ["x"], ["full"], imputed_value_floats=means, replaced_value_float=np.nan, **ml),
        make_node(
            "LinearClassifier",
            ["full"],
            ["label", "raw"],
            coefficients=weights,
            intercepts=shifts,
            post_transform="SOFTMAX",
            classlabels_ints=[0, 1, 2],
            **ml,
        ),
        make_node("Normalizer", ["raw"], ["probabilities"], norm="L1", **ml),
    ]
    chances = values("probabilities", ANY, 3)
    if zipped:
        nodes.append(make_node("ZipMap", ["probabilities"], ["zipped"], classlabels_int64s=[0, 1, 2], **ml))
        pairs = make_map_type_proto(TensorProto.INT64, make_tensor_type_proto(FLOAT, []))
        chances = make_value_info("zipped", make_sequence_type_proto(pairs))
    return a_graph(nodes, values("label", ANY, kind=TensorProto.INT64), chances), fitted.predict_proba(FRAME.to_numpy())


def sums(*shape: Any, rows: Any = ANY) -> Graph:
    """Of the columns, with 0 for what is missing."""
    nodes = [make_node("IsNaN", ["x"], ["missing"]), make_node("Where", ["missing", "zero", "x"], ["full"])]
    nodes.append(make_node("ReduceSum", ["full", "axis"], ["sum"], keepdims=len(shape) - 1))
    constants = {"zero": np.zeros(1, np.float32), "axis": np.array([1])}
    return a_graph(nodes, values("sum", *shape), inputs=[values("x", rows, 3)], constants=constants)


SUMS = FRAME.fillna(0).to_numpy().sum(axis=1)
ADMITTED: dict[str, tuple[Callable[[], tuple[Graph, Array]], list[str]]] = {
    "classes, by torch": (a_classifier, ["0", "1", "2"]),
    "numbers, by torch": (lambda: a_network(lambda: torch.nn.Linear(3, 1)), []),
    "labels beside probabilities": (a_pipeline, ["0", "1", "2"]),
    "numbers without a column": (lambda: (sums(ANY), SUMS), []),
    "a row at a time": (lambda: (sums(1, 1, rows=1), SUMS), []),
}


@pytest.mark.parametrize("case", ADMITTED.values(), ids=ADMITTED.keys())
def test_predicts_what_its_maker_does(
    case: tuple[Callable[[], tuple[Graph, Array]], list[str]], tmp_path: Path
) -> None:
    make, classes = case
    model, expected = make()
    predictor = admitted(saved(model, tmp_path))
    assert predictor.classes == classes
    rows = [{str(name): value for name, value in row.items()} for row in FRAME.to_dict("records")]
    np.testing.assert_allclose(predictor.values(rows), expected, rtol=1e-5, atol=1e-6)


def a_loop() -> Graph:
    """Without an end."""
    passed = [values("step", kind=TensorProto.INT64), values("go", kind=TensorProto.BOOL), values("old", ANY, 3)]
    body = make_graph(
        [make_node("Identity", ["go"], ["on"]), make_node("Identity", ["old"], ["new"])], "body", passed,
        [values("on", kind=TensorProto.BOOL), values("new", ANY, 3)],
    )  # fmt: skip
    loop = make_node("Loop", ["", "always", "x"], ["y"], body=body)
    return a_graph([loop], values("y", ANY, 3), constants={"always": np.array(True)})


def of_its_own() -> Graph:
    function = make_function(
        "own", "Twice", ["a"], ["b"], [make_node("Add", ["a", "a"], ["b"])], [make_opsetid("", 17)]
    )
    twice = make_node("Twice", ["x"], ["y"], domain="own")
    return a_graph([twice], values("y", ANY, 3), domains=["own"], functions=[function])


def by(domain: str) -> Graph:
    return a_graph([make_node("Gelu", ["x"], ["y"], domain=domain)], values("y", ANY, 3), domains=[domain])


Y = values("y", ANY, 3)
REFUSED: dict[str, tuple[Callable[[], Graph], str]] = {
    "a list of dictionaries": (
        lambda: a_pipeline(zipped=True)[0],
        r"its output zipped is no tensor: convert it with options=\{'zipmap': False\}",
    ),
    "operators of others": (lambda: by("com.example"), "its operator Gelu is of com.example: only those of"),
    "operators of the runtime alone": (lambda: by("com.microsoft"), "its operator Gelu is of com.microsoft"),
    "functions of its own": (of_its_own, r"it has functions of its own \(Twice\)"),
    "a loop": (a_loop, "its operator Loop has a graph of its own"),
    "two inputs": (
        lambda: a_graph([make_node("Add", ["x", "z"], ["y"])], Y, inputs=[values("x", ANY, 3), values("z", ANY, 3)]),
        "it has 2 inputs: only one of all columns",
    ),
    "64 bits": (
        lambda: a_graph([], Y, inputs=[values("x", ANY, 3, kind=TensorProto.DOUBLE)]),
        "its input x is no float32 of any rows x so many columns: DOUBLE any x 3",
    ),
    "images": (lambda: a_graph([], Y, inputs=[values("x", ANY, 3, 8, 8)]), "its input x .* FLOAT any x 3 x 8 x 8"),
    "any columns": (lambda: a_graph([], Y, inputs=[values("x", ANY, "n")]), "its input x .* FLOAT any x any"),
    "32 rows at a time": (lambda: a_graph([], Y, inputs=[values("x", 32, 3)]), "its input x .* FLOAT 32 x 3"),
    "a column too few": (lambda: a_graph([], Y, inputs=[values("x", ANY, 2)]), "2 features, and its signature 3"),
    "two answers": (
        lambda: a_graph([], Y, values("z", ANY, 1)),
        r"its outputs are y \(FLOAT any x 3\), z \(FLOAT any x 1\): only one",
    ),
    "labels alone": (
        lambda: a_graph([], values("label", ANY, kind=TensorProto.INT64)),
        r"its outputs are label \(INT64 any\): only one",
    ),
}  # fmt: skip


def refused(folder: Path, content: bytes) -> None:
    plain = described(an_mlmodel(folder, "onnx", SIGNATURE, data="model.onnx"))
    (folder / "model.onnx").write_bytes(content)
    read(plain, folder / "model.onnx")


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_may_not_be_run_or_served_is_refused(case: tuple[Callable[[], Graph], str], tmp_path: Path) -> None:
    make, message = case
    with pytest.raises(AdmissionError, match=message):
        refused(tmp_path, make().SerializeToString())


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    """MLflow puts them there where nothing else is said."""
    model, _ = a_network(lambda: torch.nn.Linear(3, 500), lambda: torch.nn.Linear(500, 1))
    folder = saved(model, tmp_path, save_as_external_data=True)
    plain = described(folder / "MLmodel")
    with pytest.raises(AdmissionError, match="in another file: log it with save_as_external_data=False"):
        read(plain, folder / plain.file)


def test_constants_of_nodes_in_another_file_are_refused(tmp_path: Path) -> None:
    tensor = from_array(np.zeros(3, np.float32))
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    nodes = [make_node("Constant", [], ["c"], value=tensor), make_node("Add", ["x", "c"], ["y"])]
    with pytest.raises(AdmissionError, match="in another file"):
        refused(tmp_path, a_graph(nodes, Y).SerializeToString())


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdmissionError, match=r"model\.onnx cannot be read"):
        refused(tmp_path, b"{L\x00")


UNFIT: dict[str, tuple[Callable[[], Graph], list[str], str]] = {
    "scores": (lambda: a_network(lambda: torch.nn.Linear(3, 3))[0], [], "its 3 numbers of a row are no probabilities"),
    "nothing for what is missing": (
        lambda: a_graph([make_node("Softmax", ["x"], ["y"])], Y), [], "without any value, or of zeros, is not finite",
    ),
    "an operator that is not there": (lambda: a_graph([make_node("Hop", ["x"], ["y"])], Y), [], "it does not predict"),
    "names of numbers": (lambda: sums(ANY), ["low", "high"], r"it predicts numbers \(onnx\), and classes were named"),
    "a name too few": (lambda: a_pipeline()[0], ["low", "high"], "it has 3 classes: name as many"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNFIT.values(), ids=UNFIT.keys())
def test_what_cannot_be_answered_with_is_refused(
    case: tuple[Callable[[], Graph], list[str], str], tmp_path: Path
) -> None:
    make, classes, message = case
    an_mlmodel(tmp_path, "onnx", SIGNATURE, data="model.onnx")
    (tmp_path / "model.onnx").write_bytes(make().SerializeToString())
    with pytest.raises(AdmissionError, match=message):
        admitted(tmp_path, classes)
