"""Perceptrons as graphs of ONNX, with weights of 32 bits or of 8."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from afina_models.arrays import Array
from afina_models.formats.mlp import Perceptron

_OPSET, _IR = 17, 8
"""Old enough for every runtime that is around."""


def graph(model: Perceptron) -> onnx.ModelProto:
    """The graph of a perceptron: from features to probabilities, or to numbers."""
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, Array] = {}
    last = "features"

    def then(operator: str, *constant: Array, **attributes: Any) -> None:
        nonlocal last
        names = [f"constant{len(constants) + index}" for index in range(len(constant))]
        constants.update(zip(names, constant, strict=True))
        output = f"{operator}{len(nodes)}"
        nodes.append(helper.make_node(operator, [last, *names], [output], name=output, **attributes))
        last = output

    for index, (weight, bias) in enumerate(zip(model.weights, model.biases, strict=True)):
        if index:
            then("Relu")
        then("MatMul", weight.astype(np.float32))
        then("Add", bias.astype(np.float32))
    then("Cast", to=TensorProto.DOUBLE)  # as all formats tell them
    if model.classes:
        then("Softmax", axis=1)
    else:
        then("Mul", np.array(model.spread))
        then("Add", np.array(model.middle))
    return helper.make_model(
        helper.make_graph(
            nodes,
            "perceptron",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", len(model.weights[0])])],
            [helper.make_tensor_value_info(last, TensorProto.DOUBLE, ["rows", model.classes or 1])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR,
    )


def write_int8(model: Perceptron, file: Path) -> None:
    """Write the graph with weights of 8 bits, scaled by columns; inputs of layers are scaled as they come.

    Of the weights' 8 bits 7 are used (`reduce_range`): products of two whole numbers are added up in 16 bits by
    processors without VNNI instructions, where greater ones would overflow, and a model would predict otherwise on
    one node than on the other (onnxruntime.ai, Quantize ONNX Models, "U8S8").
    """
    floats = graph(model)
    add_pre_process_metadata(floats)  # nothing of it could be fused, nor is a shape unknown: without, it warns
    quantize_dynamic(floats, file, ["MatMul"], per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
