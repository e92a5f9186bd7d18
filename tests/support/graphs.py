"""Graphs of ONNX."""

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto
from onnx.helper import make_graph, make_model, make_opsetid, make_tensor_value_info
from onnx.numpy_helper import from_array

from afina_models.arrays import Array

FLOAT, ANY = TensorProto.FLOAT, "rows"


def values(name: str, *shape: Any, kind: int = FLOAT) -> ValueInfoProto:
    return make_tensor_value_info(name, kind, list(shape))


X = values("x", ANY, 3)
"""The input of three columns."""


def a_graph(
    nodes: Sequence[NodeProto],
    *outputs: ValueInfoProto,
    inputs: Sequence[ValueInfoProto] = (X,),
    domains: Sequence[str] = ("ai.onnx.ml",),
    functions: Sequence[onnx.FunctionProto] = (),
    constants: Mapping[str, Array] = {},
) -> onnx.ModelProto:
    """A graph of these nodes."""
    tensors = [from_array(value, name) for name, value in constants.items()]
    opsets = [make_opsetid("", 17), *(make_opsetid(domain, 3) for domain in domains)]
    graph = make_graph(list(nodes), "graph", list(inputs), list(outputs), tensors)
    return make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=8)
