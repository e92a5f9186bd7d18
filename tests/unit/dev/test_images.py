import dataclasses
import shutil
import tomllib
from pathlib import Path

import pytest

from devcluster import images, node_images
from devcluster.images import BUSYBOX, IMAGES, Image
from devcluster.paths import CHECKOUT

AN_IMAGE = Image("thing", "afina-thing", "Containerfile", ("Containerfile", "code"))
OPERATOR = next(image for image in IMAGES if image.name == "operator")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("a = 1\n")
    (tmp_path / "Containerfile").write_text("FROM scratch\n")
    return tmp_path


def test_a_tag_is_a_function_of_the_content(checkout: Path) -> None:
    copy = shutil.copytree(checkout, checkout.parent / "copy")
    assert images.tag(checkout, AN_IMAGE) == images.tag(copy, AN_IMAGE)


def test_a_changed_file_changes_the_tag(checkout: Path) -> None:
    before = images.tag(checkout, AN_IMAGE)
    (checkout / "code" / "a.py").write_text("a = 2\n")
    assert images.tag(checkout, AN_IMAGE) != before


def test_a_renamed_file_changes_the_tag(checkout: Path) -> None:
    before = images.tag(checkout, AN_IMAGE)
    (checkout / "code" / "a.py").rename(checkout / "code" / "b.py")
    assert images.tag(checkout, AN_IMAGE) != before


def test_bytecode_and_other_files_change_no_tag(checkout: Path) -> None:
    before = images.tag(checkout, AN_IMAGE)
    (checkout / "README.md").write_text("words")
    (checkout / "code" / "__pycache__").mkdir()
    (checkout / "code" / "__pycache__" / "a.pyc").write_bytes(b"x")
    assert images.tag(checkout, AN_IMAGE) == before


def test_a_new_base_is_a_new_image_but_for_the_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {image.name: images.tag(CHECKOUT, image) for image in (OPERATOR, BUSYBOX)}
    monkeypatch.setattr(images, "BASE_RECIPE", ("mmdebstrap", "trixie"))
    assert images.tag(CHECKOUT, OPERATOR) != before["operator"]
    assert images.tag(CHECKOUT, BUSYBOX) == before["busybox"]


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_every_input_is_in_the_checkout(image: Image) -> None:
    assert [source for source in image.inputs if not (CHECKOUT / source).exists()] == []


def test_the_images_hold_every_package_of_the_wheel() -> None:
    wheel = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {package.split("/")[0] for package in wheel["packages"]} <= set(OPERATOR.inputs)


def test_the_build_context_has_every_input_but_the_recipes() -> None:
    ignore = (CHECKOUT / "dev" / "images" / "Containerfile.dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    needed = {
        source for image in IMAGES if image != BUSYBOX for source in image.inputs if "Containerfile" not in source
    }
    assert {source for source in needed if source not in let_in and source.split("/")[0] not in let_in} == set()


def test_every_image_is_a_target_of_its_containerfile() -> None:
    stages = (CHECKOUT / "dev" / "images" / "Containerfile").read_text()
    assert [image.name for image in IMAGES if image != BUSYBOX and f" AS {image.name}\n" not in stages] == []


def test_references_name_the_registry() -> None:
    references = images.references(CHECKOUT, "registry.example/team")
    assert references["operator"].startswith("registry.example/team/afina-operator:")
    assert references.keys() == {image.name for image in IMAGES}


def test_two_images_of_the_same_inputs_differ(checkout: Path) -> None:
    assert images.tag(checkout, AN_IMAGE) != images.tag(checkout, dataclasses.replace(AN_IMAGE, name="other"))


R = "127.0.0.1:5001"
REPLACED = {
    "an older tag and its aliases go": (
        {f"{R}/a:1": "d1", f"{R}/a@sha256:d1": "d1", "sha256:c1": "d1", f"{R}/a:2": "d2", "sha256:c2": "d2"},
        set(),
        [f"{R}/a:1", f"{R}/a@sha256:d1", "sha256:c1"],
    ),
    "one in use stays": ({f"{R}/a:1": "d1", f"{R}/a:2": "d2"}, {f"{R}/a:1"}, []),
    "one of the same content stays": ({f"{R}/a:1": "d2", f"{R}/a:2": "d2"}, set(), []),
    "other repositories stay": ({f"{R}/b:1": "d1", "docker.io/library/a:1": "d3", f"{R}/a:2": "d2"}, set(), []),
}


@pytest.mark.parametrize(("stored", "used", "old"), REPLACED.values(), ids=REPLACED.keys())
def test_a_new_image_replaces(stored: dict[str, str], used: set[str], old: list[str]) -> None:
    assert node_images.replaced(stored, {f"{R}/a:2"}, used) == old


def test_an_image_that_an_operator_would_give_to_jobs_is_in_use() -> None:
    deployment = f'{{"image": "{R}/afina-operator:1a", "env": [{{"name": "IMAGE", "value": "{R}/afina-runtime:2b"}}]}}'
    assert node_images.named_in(deployment) == {f"{R}/afina-operator:1a", f"{R}/afina-runtime:2b"}
