"""Graphs of ONNX that others made: what of them may be run.

A graph runs no code but the operators of the runtime. Admitted are those of the standard alone: no library of others,
no functions of its own, no loops, which may have no end, and no other files.
"""

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import AttributeProto, NodeProto, TensorProto, TypeProto

from afina_jobs.admission.foreign import AdmissionError, Foreign

OBJECTIVE = "onnx"
"""A graph does not tell by which it has learned: what it answers must show it."""
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)


def read(file: Path, _model_class: str) -> Foreign:
    """A graph that tells nothing but numbers or probabilities.

    Raises:
        AdmissionError: it may not be run, or its input or its outputs cannot be served.
    """
    model = onnx.load(file, load_external_data=False)
    if model.functions:
        raise AdmissionError(f"it has functions of its own ({model.functions[0].name}): export it with inlined ones")
    for node in model.graph.node:
        _require_standard(node)
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in _tensors(model.graph)):
        raise AdmissionError("its weights are in another file: log it with save_as_external_data=False")
    columns = _columns(model.graph)
    output = _output(model.graph)
    del model.graph.output[:]
    model.graph.output.append(output)
    content = model.SerializeToString()
    return Foreign(OBJECTIVE, (), columns, False, lambda place: place.write_bytes(content))


def _require_standard(node: NodeProto) -> None:
    if node.domain not in _DOMAINS:
        raise AdmissionError(f"its operator {node.op_type} is of {node.domain}: only those of ONNX itself are run")
    if any(attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for attribute in node.attribute):
        raise AdmissionError(f"its operator {node.op_type} has a graph of its own: no branches or loops are run")


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    sparse = list(graph.sparse_initializer)
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
    for tensor in sparse:
        yield from (tensor.values, tensor.indices)


def _columns(graph: onnx.GraphProto) -> int:
    """How many the only input has."""
    constant = {tensor.name for tensor in graph.initializer}
    inputs = [one for one in graph.input if one.name not in constant]
    if len(inputs) != 1:
        raise AdmissionError(f"it has {len(inputs)} inputs: only one of all columns is served")
    kind = inputs[0].type.tensor_type
    shape = kind.shape.dim
    if kind.elem_type != TensorProto.FLOAT or len(shape) != 2 or shape[0].dim_value > 1 or not shape[1].dim_value:
        raise AdmissionError(
            f"its input {inputs[0].name} is no float32 of any rows x so many columns: {_told(inputs[0])}"
        )
    return int(shape[1].dim_value)


def _output(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    """The only one of floats; labels may be beside it."""
    lists = [one.name for one in graph.output if not one.type.HasField("tensor_type")]
    if lists:
        raise AdmissionError(f"its output {lists[0]} is no tensor: convert it with options={{'zipmap': False}}")
    found: list[onnx.ValueInfoProto] = [one for one in graph.output if one.type.tensor_type.elem_type in _FLOATS]
    if len(found) != 1:
        names = ", ".join(f"{one.name} ({_told(one)})" for one in graph.output)
        raise AdmissionError(f"its outputs are {names}: only one of floats is served, numbers or probabilities")
    return found[0]


def _told(value: onnx.ValueInfoProto) -> str:
    kind: TypeProto.Tensor = value.type.tensor_type
    shape = " x ".join(str(dim.dim_value or "any") for dim in kind.shape.dim)
    return f"{TensorProto.DataType.Name(kind.elem_type)} {shape}".strip()
