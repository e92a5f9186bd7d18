"""The Open Inference Protocol, version 2, as far as it means something here; what else a request says is ignored.

https://github.com/kserve/open-inference-protocol, with Triton's binary tensors beside JSON.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]


class Parameters(BaseModel):
    """Those that mean something here; others are ignored."""

    binary_data_size: Annotated[int, Field(ge=0)] | None = None
    binary_data: bool | None = None
    binary_data_output: bool = False


class InputTensor(BaseModel):
    """A tensor of the request."""

    name: str
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    datatype: Datatype
    parameters: Parameters = Parameters()
    data: list[Any] | None = None


class RequestedOutput(BaseModel):
    """A tensor that the client wants."""

    name: str
    parameters: Parameters = Parameters()


class InferenceRequest(BaseModel):
    """The request."""

    id: str | None = None
    parameters: Parameters = Parameters()
    inputs: Annotated[list[InputTensor], Field(min_length=1)]
    outputs: list[RequestedOutput] | None = None
