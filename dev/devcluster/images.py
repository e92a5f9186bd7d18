"""The images: what each is built from and the reference that follows from it.

A tag is a hash of everything that goes into the image: a reference that exists needs no build, and a chart that names
one names that content.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

_RECIPES = "dev/images"

# The project's own wheel. README and LICENSE are left out: a word changed there is no new image.
_CODE = ("pyproject.toml", "api", "jobs", "models", "operator", "serving")

# How the base is made from Debian's packages, where no python:3.11-slim can be pulled.
BASE_RECIPE = (
    "mmdebstrap",
    "--variant=essential",
    "--include=python3,python3-venv,ca-certificates,libstdc++6,libgomp1",
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "info", "locale", "man")),
    "bookworm",
)


@dataclass(frozen=True)
class Image:
    """An image: its repository, its Containerfile, and the files of the checkout that go into it."""

    name: str
    repository: str
    containerfile: str
    inputs: tuple[str, ...]
    # Built only when asked for: it is large and few need it.
    on_request: bool = False


def _python(name: str, locks: tuple[str, ...], code: tuple[str, ...] = _CODE, *, on_request: bool = False) -> Image:
    recipe = (f"{_RECIPES}/Containerfile", f"{_RECIPES}/Containerfile.dockerignore", f"{_RECIPES}/tools.txt")
    inputs = (*recipe, *(f"requirements/{lock}.txt" for lock in locks), *code)
    return Image(name, f"afina-{name}", recipe[0], inputs, on_request)


BUSYBOX = Image("busybox", "dev-busybox", f"{_RECIPES}/busybox.Containerfile", (f"{_RECIPES}/busybox.Containerfile",))

IMAGES = (
    BUSYBOX,
    _python("operator", ("operator",)),
    _python("runtime", ("runtime",)),
    _python("mlflow", ("runtime", "mlflow"), code=()),
    _python("torchserve", ("runtime", "torchserve")),
    _python("runtime-torch", ("runtime", "torch"), on_request=True),
)


def references(checkout: Path, registry: str) -> dict[str, str]:
    """The reference of every image, by its name."""
    return {image.name: f"{registry}/{image.repository}:{tag(checkout, image)}" for image in IMAGES}


def tag(checkout: Path, image: Image) -> str:
    """A hash of the image's name, of how its base is made, and of the names and contents of its inputs."""
    base = () if image == BUSYBOX else BASE_RECIPE
    digest = hashlib.sha256(" ".join([image.name, *base]).encode())
    for source in image.inputs:
        for file in _files(checkout / source):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(checkout)} {content}\n".encode())
    return digest.hexdigest()[:12]


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    return sorted(file for file in source.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
