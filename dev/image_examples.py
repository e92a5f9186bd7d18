"""Writes the images of the examples into their manifests, from the pictures that scikit-image carries.

.venv/bin/python dev/image_examples.py
"""

import base64
import io
import textwrap
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import numpy as np
import skimage.data
from PIL import Image, ImageFilter

MANIFESTS = Path(__file__).parents[1] / "manifests"
PICTURES = Path(skimage.data.__file__).parent
SIDE = 200
"""Pixels of a photograph's shorter side."""


def faces() -> dict[str, bytes]:
    """A hundred faces and a hundred pieces of the pictures behind them, in turn."""
    values = np.round(skimage.data.lfw_subset() * 255).astype(np.uint8)
    order = [first + index for index in range(100) for first in (0, 100)]
    files = {f"{number}.png": encoded(Image.fromarray(values[row]), "png") for number, row in enumerate(order)}
    labels = [f"{name},{'yes' if number % 2 == 0 else 'no'}" for number, name in enumerate(files)]
    return files | {"labels.csv": "\n".join(["file,face", *labels, ""]).encode()}


def photographs() -> dict[str, bytes]:
    """Good photographs, and one for each reason to leave one out."""
    good = {
        "astronaut.jpg": ("astronaut.png", "person"),
        "cat.jpg": ("chelsea.png", "animal"),
        "coffee.jpg": ("coffee.png", "thing"),
        "galaxies.jpg": ("hubble_deep_field.jpg", "sky"),
        "motorcycle.jpg": ("motorcycle_left.png", "thing"),
        "rocket.jpg": ("rocket.jpg", "sky"),
    }
    found = {name: photograph(picture) for name, (picture, _) in good.items()}
    subjects = {name: subject for name, (_, subject) in good.items()}
    cat, coffee, rocket = found["cat.jpg"], found["coffee.jpg"], found["rocket.jpg"]
    files = {name: encoded(image, "jpeg") for name, image in found.items()} | {
        "blurred.jpg": encoded(coffee.filter(ImageFilter.GaussianBlur(6)), "jpeg"),
        "copy.jpg": encoded(cat.resize((330, 220)), "jpeg"),
        "cut-off.jpg": encoded(rocket, "jpeg")[:4_000],
        "dark.jpg": encoded(coffee.point(lambda value: value // 16), "jpeg"),
        "small.jpg": encoded(coffee.resize((90, 60)), "jpeg"),
    }
    labels = [f"{name},{subjects.get(name, 'thing')}" for name in files]
    return files | {"labels.csv": "\n".join(["file,subject", *labels, ""]).encode()}


def photograph(picture: str) -> Image.Image:
    """One of scikit-image's, made smaller."""
    with Image.open(PICTURES / picture) as opened:
        scale = SIDE / min(opened.size)
        return opened.convert("RGB").resize((round(opened.width * scale), round(opened.height * scale)))


def encoded(image: Image.Image, kind: str) -> bytes:
    """The bytes of an image's file."""
    stream = io.BytesIO()
    image.save(stream, kind, optimize=True)
    return stream.getvalue()


def archive(files: Mapping[str, bytes]) -> bytes:
    """An archive without dates, so that it is the same each time."""
    stream = io.BytesIO()
    with ZipFile(stream, "w") as opened:
        for name, content in files.items():
            opened.writestr(ZipInfo(name), content)
    return stream.getvalue()


def write(manifest: str, key: str, files: Mapping[str, bytes]) -> None:
    """Replace the archive in a manifest's ConfigMap: the rest of its document, from the key on."""
    path = MANIFESTS / manifest
    before, rest = path.read_text().split(f"  {key}:", 1)
    # In quotation marks a backslash at the end of a line joins it with the next.
    lines = "\\\n".join(textwrap.wrap(base64.b64encode(archive(files)).decode(), 118))
    path.write_text(f'{before}  {key}: "\\\n{lines}"\n---\n{rest.split(chr(10) + "---" + chr(10), 1)[1]}')


if __name__ == "__main__":
    write("20-dataset-images.yaml", "photographs.zip", photographs())
    write("21-automljob-images.yaml", "faces.zip", faces())
