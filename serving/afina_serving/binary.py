"""Tensors as bytes after the JSON: Triton's extension of the protocol, which its client uses by default.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

import numpy as np

from afina_models.arrays import Array

HEADER_LENGTH = "inference-header-content-length"
"""HTTP header with the length of the JSON, in bytes."""

BINARY_KINDS = {
    "BOOL": "?", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
"""Datatypes of fixed size, as numpy names them."""
_LENGTH_BYTES = 4


def packed_texts(values: Array) -> bytes:
    """Each text with its length before it."""
    encoded = [str(value).encode() for value in values.ravel()]
    return b"".join(len(text).to_bytes(_LENGTH_BYTES, "little") + text for text in encoded)


def unpacked_texts(content: bytes) -> Array:
    """The texts.

    Raises:
        ValueError: a length is wrong, or a text is not UTF-8.
    """
    found: list[str | None] = []
    start = 0
    while start < len(content):
        length = int.from_bytes(content[start : start + _LENGTH_BYTES], "little")
        start += _LENGTH_BYTES
        text = content[start : start + length]
        if len(text) < length:
            raise ValueError(f"text {len(found)} is cut off")
        found.append(text.decode())
        start += length
    return np.array(found, dtype=object)
