"""Images: which are left out and why, and what the scores say about pictures that are plainly good or bad."""

from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from afina_api.reasons import DatasetReason
from afina_jobs.dataset.images.duplicates import Duplicates
from afina_models.images.features import NAMES
from afina_models.images.quality import quality
from support.pictures import a_header, a_picture

from .conftest import Made, Make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the source, with one good image in it."""
    found = tmp_path / "mounted" / "source"
    found.mkdir(parents=True)
    a_picture(0).save(found / "good.png")
    return found


def look(make: Make, folder: Path, names: list[str], **images: object) -> Made:
    (folder / "labels.csv").write_text("file,haze\n" + "".join(f"{name},{n}\n" for n, name in enumerate(names)))
    return make(None, "Images", images=images)


def test_good_images_are_kept_with_their_labels(make: Make, folder: Path) -> None:
    (folder / "more").mkdir()
    a_picture(1).save(folder / "more" / "other.jpg", quality=95)
    made = look(make, folder, ["good.png", " more/other.jpg "])
    assert made.outcome.reason == DatasetReason.ACCEPTED
    assert made.table.select([0, 1]).to_pydict() == {"image": ["good.png", "more/other.jpg"], "haze": [0, 1]}
    assert (made.volume / "images" / "more" / "other.jpg").read_bytes() == (folder / "more" / "other.jpg").read_bytes()
    measured = {
        "versions": {"Classical": 1},
        "columns": {"Classical": list(NAMES)},
        "min_width": 512,
        "min_height": 512,
        "min_quality": 0.5,
    }
    assert made.description["images"] == {"column": "image", "features": list(NAMES), "measured": measured}
    assert sum(made.report["images"]["quality"]["counts"]) == 2


def test_every_reason_is_counted_and_nothing_is_lost(make: Make, folder: Path) -> None:
    a_picture(2).save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:3_000])
    (folder / "text.png").write_text("no image")
    (folder / "huge.png").write_bytes(a_header(50_000, 50_000))
    (folder / "large.png").write_bytes(a_header(12_000, 10_000))
    a_picture(3, 640, 511).save(folder / "small.png")
    Image.new("RGB", (600, 600), (3, 3, 3)).save(folder / "black.png")
    a_picture(0).resize((800, 750)).save(folder / "same.jpg", quality=90)
    a_picture(4).save(folder / "nobody.png")
    a_picture(5).save(folder / "animated.gif")
    (folder / "README.txt").write_text("about")
    named = [
        "good.png",
        "good.png",
        "cut.jpg",
        "text.png",
        "huge.png",
        "large.png",
        "small.png",
        "black.png",
        "same.jpg",
    ]
    made = look(make, folder, [*named, "gone.png", "../../secret.png", "/etc/passwd", "animated.gif"])
    assert made.rejected == {
        "DuplicateImage": 2,
        "MissingFile": 3,
        "UnreadableImage": 3,
        "TooManyPixels": 2,
        "TooSmall": 1,
        "LowQuality": 1,
        "Unlabelled": 1,
    }
    assert made.rows == 1
    assert made.report["rowsIn"] == 14
    details = {row[0]: row[2] for row in made.listed}
    assert "it has more than the 100,000,000 pixels that are allowed" in details["5"]
    assert "12000 x 10000, and 100,000,000 pixels are allowed" in details["6"]
    assert "640 x 511, and 512 x 512 is the least" in details["7"]
    assert "looks like good.png" in details["9"]
    assert [entry.name for entry in (made.volume / "images").iterdir()] == ["good.png"]


def test_labels_are_checked_by_rules_and_their_images_are_left_out(make: Make, folder: Path) -> None:
    a_picture(1).save(folder / "other.png")
    (folder / "labels.csv").write_text("file,haze\ngood.png,1\nother.png,-1\n")
    made = make(None, "Images", validation=[{"column": "haze", "min": 0, "maxViolationShare": 1}])
    assert made.rejected == {"BelowMinimum": 1}
    assert [entry.name for entry in (made.volume / "images").iterdir()] == ["good.png"]


def test_duplicates_stay_when_they_may(make: Make, folder: Path) -> None:
    a_picture(0).save(folder / "same.png")
    assert look(make, folder, ["good.png", "same.png"], rejectDuplicates=False).rows == 2


def test_names_of_digits_stay_names(make: Make, folder: Path) -> None:
    (folder / "good.png").rename(folder / "0012")
    made = look(make, folder, ["0012"])
    assert made.table["image"].to_pylist() == ["0012"]


def test_missing_labels_are_told(make: Make, folder: Path) -> None:
    made = make(None, "Images")
    assert made.outcome.reason == DatasetReason.SOURCE_UNAVAILABLE
    assert "no file 'labels.csv'" in made.outcome.message


def test_a_missing_file_column_is_told(make: Make, folder: Path) -> None:
    made = look(make, folder, ["good.png"], fileColumn="path")
    assert "no column 'path', only file, haze" in made.outcome.message


def test_the_digest_does_not_depend_on_names(make: Make, folder: Path) -> None:
    first = look(make, folder, ["good.png"]).outcome.status.digest
    (folder / "good.png").rename(folder / "zzz.png")
    assert make(None, "Images", images={"minQuality": 0.4}).outcome.status.digest == first


def test_blur_darkness_and_tint_lower_their_own_score() -> None:
    good = quality(a_picture(0))
    assert min(good.sharpness, good.exposure, good.white_balance) > 0.8
    blurred = quality(a_picture(0).filter(ImageFilter.GaussianBlur(12)))
    assert blurred.sharpness < 0.3
    assert blurred.exposure == pytest.approx(good.exposure, abs=0.05)
    dark = quality(a_picture(0).point(lambda value: value // 8))
    assert dark.exposure < 0.3
    red, green, blue = a_picture(0).split()
    tinted = quality(Image.merge("RGB", (red, green, blue.point(lambda value: value // 4))))
    assert tinted.white_balance < 0.3


def test_sharpness_depends_little_on_resolution() -> None:
    small, large = quality(a_picture(0, 512, 512)), quality(a_picture(0, 2048, 2048))
    # As they are, the large one would score 0.28 less, for its edges are as few and its pixels are more.
    assert large.sharpness == pytest.approx(small.sharpness, abs=0.2)


def test_thousands_of_hashes_are_remembered() -> None:
    duplicates = Duplicates()
    small = [a_picture(seed, 32, 32) for seed in range(1_100)]
    new = [seed for seed, image in enumerate(small) if duplicates.first_like(str(seed), image) is None]
    assert len(new) > 1_024
    assert all(duplicates.first_like("again", small[seed]) is not None for seed in (new[0], new[-1]))
