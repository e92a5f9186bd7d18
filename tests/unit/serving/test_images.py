"""Images that the server is asked about: the answer is that to the columns which the Dataset measured."""

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import ExifTags, Image

from afina_models.digest import FILES, digest
from afina_models.images import learned
from afina_models.images.learned import LearnedImages
from afina_serving import answers
from afina_serving.images import MAX_IMAGES, MAX_PIXELS, MeasuredImages
from afina_serving.model import ServedModel
from afina_serving.remote import RemoteModel
from afina_serving.settings import Identity
from support.images import an_image_dataset
from support.model_servers import ModelServer, Reply, a_server, an_environment
from support.models import a_regressor
from support.pictures import a_header, a_picture, encoded
from support.searches import wait_for
from support.servers import free_port
from support.slow_servers import Slow

PNG, JPEG = {"Content-Type": "image/png"}, {"Content-Type": "image/jpeg"}
GOOD = encoded(a_picture(0))
Json = dict[str, Any]


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture(scope="module")
def known(face_model: tuple[Path, str]) -> list[tuple[bytes, Json]]:
    """Images of the Dataset, with those columns that the model has: of grey faces some are all the same."""
    volume, files = face_model[0] / "dataset", face_model[0] / "model" / FILES
    columns = json.loads((files / "features.json").read_text())["types"]
    rows = pq.read_table(volume / "data.parquet").to_pylist()[:MAX_IMAGES]
    images = [(volume / "images" / row["image"]).read_bytes() for row in rows]
    return list(zip(images, [{name: row[name] for name in columns} for row in rows], strict=True))


def predictions(found: Reply) -> list[Json]:
    assert found.status == 200, found.content
    answers: list[Json] = found.json["predictions"]
    return answers


def test_an_image_is_predicted_as_the_columns_that_the_dataset_measured(
    imager: ModelServer, known: list[tuple[bytes, Json]]
) -> None:
    expected = predictions(imager.post("/predict", {"rows": [columns for _, columns in known]}))
    assert {one["label"] for one in expected} == {"True", "False"}
    together = imager.post("/predict", {"rows": [{"image": text(image)} for image, _ in known]})
    assert predictions(together) == expected
    for image, columns in known[:5]:
        alone = imager.post("/predict", image, PNG)
        assert predictions(alone) == predictions(imager.post("/predict", {"rows": [columns]}))
        assert alone.json["warnings"] == []


TURNED = Image.Exif()
TURNED[ExifTags.Base.Orientation] = 6
ODD: dict[str, tuple[str, bytes]] = {
    "large": ("large.png", encoded(a_picture(1, 1_300, 900))),
    "so long that the copy would be made smaller again": ("long.png", encoded(a_picture(2, 2_055, 513))),
    "JPEG": ("photo.jpg", encoded(a_picture(3), "JPEG")),
    "JPEG in CMYK": ("print.jpg", encoded(a_picture(4).convert("CMYK"), "JPEG")),
    "see-through": ("glass.png", encoded(a_picture(5).convert("RGBA"))),
    "of few colours": ("few.png", encoded(a_picture(6).quantize(16))),
    "grey": ("grey.png", encoded(a_picture(7).convert("L"))),
    "turned by its camera": ("turned.jpg", encoded(a_picture(8, 64, 48), "JPEG", exif=TURNED)),
    "one pixel": ("one.png", encoded(a_picture(9, 1, 1))),
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dataset of odd images, with all kinds of features."""
    labels = "\n".join(["file,y", *(f"{name},{index}" for index, (name, _) in enumerate(ODD.values()))])
    images = {"minWidth": 1, "minHeight": 1, "minQuality": 0, "rejectDuplicates": False}
    features = ["Classical", "EfficientNetLite0"]
    return an_image_dataset(tmp_path_factory.mktemp("odd"), dict(ODD.values()), labels, **images, features=features)


@pytest.fixture(scope="module")
def measure(odd: Path) -> MeasuredImages:
    return MeasuredImages(LearnedImages(**json.loads((odd / "dataset.json").read_text())["images"]["measured"]))


@pytest.mark.parametrize("case", ODD.values(), ids=ODD.keys())
def test_features_are_those_of_the_dataset(case: tuple[str, bytes], odd: Path, measure: MeasuredImages) -> None:
    name, content = case
    (features,), _ = measure({"it": content})
    (row,) = (row for row in pq.read_table(odd / "data.parquet").to_pylist() if row["image"] == name)
    assert len(features) == 27 + 1280
    classical = {name for name in features if not name.startswith("embedding_")}
    assert {name: features[name] for name in classical} == {name: row[name] for name in classical}
    # How many processors sum up decides on the last digits.
    np.testing.assert_allclose(list(features.values()), [row[name] for name in features], rtol=1e-4, atol=1e-5)


def test_other_columns_may_be_beside_an_image(imager: ModelServer, known: list[tuple[bytes, Json]]) -> None:
    (image, columns), (_, others) = known[:2]
    mixed = imager.post("/predict", {"rows": [{"image": text(image)}, others, {"image": None}]})
    assert predictions(mixed)[:2] == predictions(imager.post("/predict", {"rows": [columns, others]}))
    assert "the column 'visibility_mean' is missing in 1 of 3 rows" in mixed.json["warnings"]


def test_poor_images_are_told(imager: ModelServer) -> None:
    small = imager.post("/predict", encoded(a_picture(0, 24, 30)), PNG).json["warnings"]
    assert small == ["the image: it is 24 x 30, and the model learned from 25 x 25 at least"]
    plain = encoded(Image.new("RGB", (64, 64), (3, 3, 40)))
    (told,) = imager.post("/predict", {"rows": [{"image": text(plain)}]}).json["warnings"]
    assert told.startswith("rows.0.image: its quality is 0.")
    assert "and the model learned from 0.30 at least: sharpness 0.00, exposure " in told


def rows(*images: object) -> bytes:
    return json.dumps({"rows": [{"image": image} for image in images]}).encode()


GIF = encoded(a_picture(0), "GIF")
WRONG: dict[str, tuple[bytes, Mapping[str, str], int, str]] = {
    "cut off": (GOOD[:2_000], PNG, 422, "the image: "),
    "a JPEG cut off": (encoded(a_picture(0), "JPEG")[:4_000], JPEG, 422, "truncated"),
    "a text": (b"no image", JPEG, 422, "the image: it is none of JPEG, PNG"),
    "nothing": (b"", PNG, 422, "the image: it is none of JPEG, PNG"),
    "a GIF": (GIF, PNG, 422, "the image: it is none of JPEG, PNG"),
    "a GIF that says so": (GIF, {"Content-Type": "image/gif"}, 415, "image/jpeg or image/png, not image/gif"),
    "a bomb": (a_header(50_000, 50_000), PNG, 413, f"more than the {MAX_PIXELS:,} pixels"),
    "large": (a_header(7_000, 7_000), PNG, 413, f"it is 7000 x 7000, and {MAX_PIXELS:,} pixels are allowed"),
    "no pixels": (a_header(6_000, 6_000), PNG, 422, "the image: "),
    "a row that is cut off": (rows(text(GOOD[:2_000])), {}, 422, "rows.0.image: "),
    "the second row": (rows(text(GOOD), text(b"no image")), {}, 422, "rows.1.image: it is none of"),
    "no base64": (rows("image.png"), {}, 422, "rows.0.image: it is no base64"),
    "no ASCII": (rows("Bild größer"), {}, 422, "rows.0.image: it is no base64"),
    "a number": (rows(1), {}, 422, "rows.0.image: a JPEG or PNG in base64 is expected"),
    "a list": (rows([text(GOOD)]), {}, 422, "rows.0.image: a JPEG or PNG in base64 is expected"),
    "many": (rows(*[text(encoded(a_picture(0, 8, 8)))] * (MAX_IMAGES + 1)), {}, 413, f"may have {MAX_IMAGES} images"),
    "large in all": (
        rows(text(encoded(Image.new("1", (5_000, 5_000)))), text(a_header(5_000, 5_000))), {}, 413,
        "rows.1.image: it is 5000 x 5000, and 15,000,000 pixels are allowed: all images of a request may have 40",
    ),
    "a column that is measured": (
        json.dumps({"rows": [{"image": text(GOOD), "visibility_mean": 1}]}).encode(), {}, 422,
        "rows.0.visibility_mean: it is measured of the image",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named(case: tuple[bytes, Mapping[str, str], int, str], imager: ModelServer) -> None:
    body, headers, status, message = case
    found = imager.post("/predict", body, headers)
    assert (found.status, message in found.json["error"]) == (status, True), found.json
    assert imager.post("/predict", GOOD, PNG).status == 200


def test_a_model_of_tables_takes_no_images(regressor: ModelServer) -> None:
    found = regressor.post("/predict", GOOD, PNG)
    assert (found.status, "did not learn from images" in found.json["error"]) == (415, True)
    found = regressor.post("/predict", {"rows": [{"image": text(GOOD)}]})
    assert (found.status, "no column 'image'" in found.json["error"]) == (422, True)


class Held:
    """Measures an image when it is let."""

    learned = LearnedImages({}, {"Classical": ["a", "b", "c"]}, 1, 1, 0)

    def __init__(self) -> None:
        self.begun, self.let = threading.Event(), threading.Event()

    def __call__(self, contents: Mapping[str, bytes]) -> tuple[list[dict[str, float]], list[str]]:
        self.begun.set()
        self.let.wait(60)
        return [dict.fromkeys("abc", 1.0) for _ in contents], []


@pytest.mark.parametrize(("body", "headers"), [(b"small", PNG), (rows(text(b"small")), {})], ids=["body", "row"])
def test_health_is_answered_while_an_image_is_measured(
    body: bytes, headers: Mapping[str, str], slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    monkeypatch.setattr(slow.model, "images", held)
    with ThreadPoolExecutor(1) as client:
        asked = client.submit(slow.server.post, "/predict", body, headers)
        try:
            assert held.begun.wait(30)
            assert slow.server.get("/v2/health/ready").status == 200
        finally:
            held.let.set()
        assert predictions(asked.result())[0]["estimate"] == pytest.approx(6, abs=0.1)


@pytest.fixture
def canary_port() -> int:
    return free_port()


@pytest.fixture
def stable(face_model: tuple[Path, str], canary_port: int) -> Iterator[ModelServer]:
    with a_server(*face_model, AFINA_SHADOW_URL=f"http://127.0.0.1:{canary_port}") as server:
        yield server


def test_images_are_copied_to_a_shadow(face_model: tuple[Path, str], stable: ModelServer, canary_port: int) -> None:
    with a_server(*face_model, PORT=str(canary_port), AFINA_REVISION="mldep-houses-2"):

        def copied() -> bool:
            assert stable.post("/predict", GOOD, PNG).status == 200
            return stable.metric("afina_model_shadow_difference_count") > 1

        wait_for(copied, 30)
    same = stable.metric("afina_model_shadow_difference_bucket", '{le="0.0"}')
    assert same == stable.metric("afina_model_shadow_difference_count")


UNMEASURED: dict[str, tuple[Json, str]] = {
    "without torch": ({"versions": {"EfficientNetLite0": 1}}, "needs the package torch: set spec.image to afina-runt"),
    "as a later release measures": ({"versions": {"Classical": 2}}, "version 2, and this server has version 1"),
    "as nobody measures": ({"versions": {"Thermal": 1}}, "Thermal, version 1, and this server does not know it"),
    "with other fields": ({"depth": 1}, "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNMEASURED.values(), ids=UNMEASURED.keys())
def test_a_model_whose_images_cannot_be_measured_is_not_served(case: tuple[Json, str], tmp_path: Path) -> None:
    changes, message = case
    a_regressor(tmp_path)
    files = tmp_path / "model" / FILES
    learned.save(LearnedImages({}, {}, 1, 1, 0), files / learned.IMAGES)
    about = json.loads((files / learned.IMAGES).read_text())
    (files / learned.IMAGES).write_text(json.dumps(about | changes))
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    env = an_environment(tmp_path, digest(files)) | {"PYTHONPATH": str(tmp_path)}
    assert subprocess.run([sys.executable, "-m", "afina_serving"], env=env).returncode == 10
    told = json.loads((tmp_path / "termination").read_text())
    assert told["reason"] == "ModelUnreadable"
    assert message in told["message"]


_LOAD = """
import sys
from pathlib import Path
from afina_serving.__main__ import main
from afina_serving.app import Application
from afina_serving.model import ServedModel
from afina_serving.server import serve
from afina_serving.settings import Identity
ServedModel.load(Path(sys.argv[1]), Identity("houses", "3", sys.argv[2], "mldep-houses-1"))
heavy = {"PIL", "skimage", "scipy", "torch"} & set(sys.modules)
assert not heavy, heavy
"""


def test_a_server_of_a_table_has_nothing_of_images(tmp_path: Path) -> None:
    known = a_regressor(tmp_path)
    subprocess.run([sys.executable, "-c", _LOAD, str(tmp_path / "model" / FILES), known], check=True)


def test_an_image_is_measured_here_whoever_predicts(face_model: tuple[Path, str]) -> None:
    folder, known = face_model
    model = ServedModel.load(folder / "model" / FILES, Identity("faces", "1", known, "mldep-faces-1"))
    other = RemoteModel(model, model.predictor.predict, workers=2)
    columns = [answers.predict_image(one, GOOD, "image/png").columns for one in (model, other)]
    assert columns[0] == columns[1]
    assert not model.is_quick(b"{}"), "any request may have an image"
