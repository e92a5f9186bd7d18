"""Pictures, and files that only promise one."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image


def a_picture(seed: int, width: int = 640, height: int = 600) -> Image.Image:
    """Patches of many greys and colours with sharp edges: neither dark nor bright, nor of one tint."""
    patches = np.random.default_rng(seed).integers(40, 216, (20, 20, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.NEAREST)


def a_header(width: int, height: int) -> bytes:
    """A PNG that promises so many pixels and holds none."""
    data = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", data), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    framed = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image's file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
