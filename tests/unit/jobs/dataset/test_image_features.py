"""Features of images: each tells plain pictures apart as its name says, and all become columns like any other."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from afina_api.reasons import AutoMLReason, DatasetReason
from afina_jobs.automl.data import load_data, settle_data
from afina_jobs.automl.problem import CannotLearnError
from afina_jobs.dataset.images import reader
from afina_models.images.features import NAMES, classical_features
from afina_models.images.reduce import reduced
from support.datasets import an_automl_job
from support.pictures import a_picture

from .conftest import Make

SIDE = 256


def grey(levels: NDArray[np.float64]) -> Image.Image:
    """A picture of levels from 0 to 255."""
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).convert("RGB")


def noise(spread: float = 40) -> Image.Image:
    return grey(128 + spread * np.random.default_rng(0).standard_normal((SIDE, SIDE)))


def waves(period: float) -> Image.Image:
    """Grey stripes, so many pixels from one to the next."""
    return grey(np.tile(128 + 80 * np.sin(2 * np.pi * np.arange(SIDE) / period), (SIDE, 1)))


def fog(image: Image.Image, density: float) -> Image.Image:
    return Image.blend(image, Image.new("RGB", image.size, (200, 200, 200)), density)


LANDSCAPE = grey(np.where(np.arange(SIDE)[:, None] < SIDE // 2, 200, 60) + np.array(noise().convert("L")) / 8)
RED = Image.new("RGB", (SIDE, SIDE), (200, 30, 30))
CLEAR = a_picture(1, SIDE, SIDE)

HIGHER: dict[str, tuple[str, Image.Image, Image.Image]] = {
    "lightness of fog": ("visibility_mean", fog(CLEAR, 0.5), CLEAR),
    "spread without fog": ("visibility_std", CLEAR, fog(CLEAR, 0.5)),
    "range without fog": ("visibility_contrast", CLEAR, fog(CLEAR, 0.5)),
    "entropy of noise": ("visibility_entropy", noise(), waves(SIDE)),
    "red": ("colour_a_mean", RED, CLEAR),
    "blue is less yellow": ("colour_b_mean", RED, Image.new("RGB", (SIDE, SIDE), (30, 30, 200))),
    "variety of reds": ("colour_a_std", CLEAR, RED),
    "variety of yellows": ("colour_b_std", CLEAR, RED),
    "saturation": ("colour_saturation_mean", RED, fog(RED, 0.5)),
    "variety of saturation": ("colour_saturation_std", CLEAR, RED),
    "colours": ("colourfulness", CLEAR, noise()),
    "fog in the dark": ("dark_channel", fog(CLEAR, 0.5), CLEAR),
    "contrast of neighbours": ("glcm_contrast", noise(40), noise(10)),
    "difference of neighbours": ("glcm_dissimilarity", noise(40), noise(10)),
    "equal neighbours": ("glcm_homogeneity", noise(10), noise(40)),
    "few pairs of greys": ("glcm_energy", RED, noise()),
    "neighbours that go together": ("glcm_correlation", waves(64), noise()),
    "few patterns": ("lbp_uniformity", waves(64), noise()),
    "many patterns": ("lbp_entropy", CLEAR, RED),
    "steepness": ("gradient_mean", noise(40), noise(10)),
    "variety of steepness": ("gradient_std", LANDSCAPE, waves(64)),
    "edges": ("gradient_edges", CLEAR, fog(CLEAR, 0.8)),
    "horizon": ("horizon_clarity", LANDSCAPE, noise()),
    "horizon in fog": ("horizon_clarity", LANDSCAPE, fog(LANDSCAPE, 0.5)),
    "middle frequencies": ("frequency_middle", waves(8), waves(64)),
    "high frequencies": ("frequency_high", waves(3), waves(8)),
    "mean frequency": ("frequency_mean", waves(4), waves(16)),
    "slope of noise": ("frequency_slope", noise(), noise().filter(ImageFilter.GaussianBlur(2))),
}


@pytest.mark.parametrize(("name", "high", "low"), HIGHER.values(), ids=HIGHER)
def test_features_tell_what_they_are_called(name: str, high: Image.Image, low: Image.Image) -> None:
    assert classical_features(high)[name] > classical_features(low)[name] + 1e-3


def test_every_feature_is_tested() -> None:
    assert {name for name, _, _ in HIGHER.values()} == set(NAMES)


def test_values_are_those_of_the_definitions() -> None:
    half = classical_features(grey(np.repeat([[0.0], [255.0]], SIDE // 2, axis=0) * np.ones(SIDE)))
    expected = {"visibility_mean": 50, "visibility_std": 50, "visibility_contrast": 100, "visibility_entropy": 1}
    assert {name: half[name] for name in expected} == pytest.approx(expected, abs=1e-3)
    # Sobel's kernel has half the step at the two rows beside it.
    assert half["horizon_clarity"] == pytest.approx(1, abs=1e-6)
    stripes = classical_features(waves(8))
    assert stripes["frequency_mean"] == pytest.approx(1 / 8, rel=0.01)
    assert classical_features(noise())["frequency_slope"] == pytest.approx(0, abs=0.15)
    assert classical_features(RED)["dark_channel"] == pytest.approx(30 / 255)
    assert classical_features(RED)["colour_saturation_mean"] == pytest.approx(1 - 30 / 200)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2), (600, 600), (5_000, 1)])
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (9, 200, 3)])
def test_plain_and_tiny_images_have_all_features(size: tuple[int, int], colour: tuple[int, int, int]) -> None:
    found = classical_features(Image.new("RGB", size, colour))
    assert tuple(found) == NAMES
    assert np.isfinite(list(found.values())).all()


def test_features_are_the_same_each_time_and_at_twice_the_resolution() -> None:
    image = a_picture(0, 1_024, 1_024)
    first = classical_features(image)
    assert classical_features(image) == first
    assert classical_features(image.resize((2_048, 2_048), Image.Resampling.NEAREST)) == first


@pytest.mark.parametrize("size", [(6_000, 4_000), (100_000, 100), (90_000, 1)])
def test_copies_are_small_whatever_the_shape(size: tuple[int, int]) -> None:
    small = reduced(Image.new("RGB", size))
    assert min(small.size) <= 512
    assert small.width * small.height <= 1.1 * 2**20


def labelled(folder: Path, count: int) -> None:
    """So many pictures, each second one in fog."""
    folder.mkdir(parents=True)
    lines = ["file,foggy"]
    for seed in range(count):
        foggy = seed % 2 == 1
        fog(a_picture(seed, 64, 64), 0.6 if foggy else 0).save(folder / f"{seed}.png")
        lines.append(f"{seed}.png,{foggy}")
    (folder / "labels.csv").write_text("\n".join(lines))


SMALL = {"minWidth": 32, "minHeight": 32, "minQuality": 0}


def test_features_become_columns_with_statistics(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_BATCH_ROWS", 3)
    labelled(tmp_path / "mounted" / "source", 8)
    (tmp_path / "mounted" / "source" / "2.png").write_text("no image")
    made = make(None, "Images", images=SMALL)
    table = made.table
    assert table.column_names == ["image", "foggy", *NAMES]
    assert table["image"].to_pylist() == [f"{seed}.png" for seed in (0, 1, 3, 4, 5, 6, 7)]
    for row in table.to_pylist():
        with Image.open(made.volume / "images" / row["image"]) as image:
            assert {name: row[name] for name in NAMES} == classical_features(image.convert("RGB"))
    about = made.column("visibility_mean")
    assert (about["type"], about["missing"], sum(about["histogram"]["counts"])) == ("Numeric", 0, 7)


def test_no_features_where_none_are_wanted(make: Make, tmp_path: Path) -> None:
    labelled(tmp_path / "mounted" / "source", 2)
    assert make(None, "Images", images=SMALL | {"features": []}).table.column_names == ["image", "foggy"]


def test_a_label_with_the_name_of_a_feature_is_told(make: Make, tmp_path: Path) -> None:
    labelled(tmp_path / "mounted" / "source", 2)
    labels = tmp_path / "mounted" / "source" / "labels.csv"
    labels.write_text(labels.read_text().replace("foggy", "glcm_contrast"))
    made = make(None, "Images", images=SMALL)
    assert made.outcome.reason == DatasetReason.UNREADABLE_DATA
    assert "labels.csv has a column 'glcm_contrast', which is the name of a feature" in made.outcome.message
    assert "rename it, or leave the features out: images.features" in made.outcome.message
    assert make(None, "Images", images=SMALL | {"features": []}).rows == 2


def test_rules_may_be_about_features(make: Make, tmp_path: Path) -> None:
    labelled(tmp_path / "mounted" / "source", 6)
    rule = {"column": "visibility_std", "min": 12, "maxViolationShare": 1}
    made = make(None, "Images", images=SMALL, validation=[rule])
    assert made.rejected == {"BelowMinimum": 3}


def test_models_learn_from_features_and_not_from_names(make: Make, tmp_path: Path) -> None:
    labelled(tmp_path / "mounted" / "source", 60)
    labels = tmp_path / "mounted" / "source" / "labels.csv"
    header, *rows = labels.read_text().splitlines()
    copied = [f"{row},{row.endswith('True') * 7}" for row in rows]
    labels.write_text("\n".join([f"{header},copy", *copied]))
    made = make(None, "Images", images=SMALL)
    assert made.rows == 60
    # The fog is plain to see: several features alone tell it perfectly, which is what they are for.
    spec = an_automl_job(target="foggy", features={"allowLeaks": ["copy"]}).spec
    data, _, found = settle_data(spec, made.volume, tmp_path / "settled", 1)
    assert tuple(data.settled.types) == ("copy", *NAMES)
    assert [finding.column for finding in found] == ["copy"]
    assert data.settled.images
    assert data.settled.images.columns == {"Classical": list(NAMES)}
    assert load_data(tmp_path / "settled").settled == data.settled
    few = an_automl_job(target="foggy", features={"exclude": ["copy", *NAMES[1:]]})
    images = settle_data(few.spec, made.volume, tmp_path / "few", 1)[0].settled.images
    assert images
    assert images.columns == {"Classical": [NAMES[0]]}
    without = an_automl_job(target="foggy", features={"exclude": ["image", "copy", *NAMES]})
    with pytest.raises(CannotLearnError, match="no column is left to learn from") as error:
        settle_data(without.spec, made.volume, tmp_path / "settled", 1)
    assert error.value.reason == AutoMLReason.INVALID_SPEC
