"""Makes a registered version that Afina did not make fit to be served: its folder, and the tag with the digest."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from afina_api.automljob import DIGEST_TAG
from afina_jobs.admission import graphs
from afina_jobs.admission.foreign import AdmissionError, Foreign
from afina_jobs.admission.plain import Plain, described, read
from afina_jobs.automl import export
from afina_jobs.automl.export import Recipe
from afina_jobs.automl.problem import Problem
from afina_models.arrays import Array
from afina_models.combination import Weighted
from afina_models.digest import FILES, digest
from afina_models.formats.catalogue import FORMATS
from afina_models.pipeline import Pipeline
from afina_models.predictor import Predictor
from afina_models.scaling import Scaling
from afina_models.transformers import Number

_MLMODEL = "MLmodel"
_MAX_DESCRIPTION_BYTES, _MAX_MODEL_BYTES = 16 * 2**20, 2 * 2**30
_URI = re.compile(r"models:/(?P<name>[^@/]+)/(?P<version>[0-9]+)")
_OF_TWO, _OF_SEVERAL = ("binary:logistic", "binary"), ("multi:softprob", "multiclass", graphs.OBJECTIVE)
"""Objectives of classes, by which a model tells probabilities."""
_NO_PROBABILITIES = ("binary:logitraw", "binary:hinge", "multi:softmax", "multiclassova")
"""Those by which it tells margins, bare codes, or what does not sum to 1."""

_ROUNDING = 1e-4
"""Of sums of probabilities of 32 bits."""


@dataclass(frozen=True)
class Admitted:
    """A version that can be served from now on."""

    family: str
    columns: Sequence[str]
    classes: Sequence[str]
    """Empty for numbers."""
    digest: str


def admit(uri: str, classes: Sequence[str] = ()) -> Admitted:
    """Check a version, write the folder that is served beside its files, and tag it with the folder's digest.

    Args:
        uri: `models:/NAME/VERSION`.
        classes: their names, in the order of their codes; if there are none, the codes.

    Raises:
        AdmissionError: it is not fit to be served, or MLflow refuses.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise AdmissionError(f"{uri!r} is not models:/NAME/VERSION")
    try:
        client = MlflowClient()
        version = client.get_model_version(match["name"], match["version"])
        if known := version.tags.get(DIGEST_TAG):
            raise AdmissionError(f"it can be served already: its {DIGEST_TAG} is {known}")
        artifacts = get_artifact_repository(str(version.source))
        with TemporaryDirectory() as place:
            plain = described(_downloaded(artifacts, _MLMODEL, place, _MAX_DESCRIPTION_BYTES))
            foreign = read(plain, _downloaded(artifacts, plain.file, place, _MAX_MODEL_BYTES))
            found = write(plain, foreign, classes, Path(place) / "work", Path(place) / FILES)
            artifacts.log_artifacts(str(Path(place) / FILES), FILES)
        client.set_model_version_tag(version.name, version.version, DIGEST_TAG, found.digest)
    except (MlflowException, OSError) as error:
        raise AdmissionError(f"MLflow: {error}") from error
    return found


def write(plain: Plain, foreign: Foreign, classes: Sequence[str], work: Path, folder: Path) -> Admitted:
    """Write the folder that is served, and see to it that it predicts.

    Args:
        plain: what the MLmodel says.
        foreign: the model.
        classes: their names.
        work: a folder for what is needed on the way.
        folder: where to.

    Raises:
        AdmissionError: the model does not predict, or it tells neither numbers nor probabilities.
    """
    family = plain.flavor.family
    member = work / family
    member.mkdir(parents=True)
    # Not rounded to the 32 bits that our own models learn from: LightGBM compares in 64.
    passed_on = tuple(map(Number, plain.types))
    Pipeline(plain.types, passed_on, Scaling([], [], [], []), "float64").save(member / "features.json")
    file = member / f"model{FORMATS[family].suffix}"
    try:
        foreign.save(file)
        said = FORMATS[family].load(file).predict(np.array([[np.nan], [0.0]]).repeat(len(plain.types), axis=1))
    except Exception as error:  # whatever the library may raise
        raise AdmissionError(f"it does not predict: {error!r}") from error
    if not np.isfinite(said).all():
        raise AdmissionError(
            "its prediction of a row without any value, or of zeros, is not finite: let it fill them in"
        )
    names = _classes(foreign.objective, said, classes)
    problem = Problem("Classification" if names else "Regression", "", names)
    export.write(Recipe(family, problem, (family,), (family,), Weighted([1.0])), work, {}, folder)
    known = digest(folder)
    Predictor.load(folder, known).predict([{}])
    return Admitted(family, list(plain.types), names, known)


def _classes(objective: str, said: Array, classes: Sequence[str]) -> tuple[str, ...]:
    """Names of the classes; none for numbers."""
    if objective in _NO_PROBABILITIES:
        known = ", ".join((*_OF_TWO, *_OF_SEVERAL))
        raise AdmissionError(f"its objective {objective} tells no probabilities: let it learn by one of {known}")
    count = said.shape[1] if said.ndim > 1 else 0
    if count and objective not in _OF_SEVERAL and not (count == 2 and objective in _OF_TWO):
        raise AdmissionError(f"it tells {count} numbers of each row: only one is served")
    if count and not ((said >= 0).all() and np.allclose(said.sum(axis=1), 1, atol=_ROUNDING)):
        raise AdmissionError(f"its {count} numbers of a row are no probabilities: end it with a softmax")
    if not classes:
        return tuple(map(str, range(count)))
    if not count:
        raise AdmissionError(f"it predicts numbers ({objective}), and classes were named")
    if len(classes) != count or len(set(classes)) != count:
        raise AdmissionError(f"it has {count} classes: name as many, each once, not {', '.join(classes)}")
    return tuple(classes)


def _downloaded(artifacts: ArtifactRepository, name: str, folder: str, max_bytes: int) -> Path:
    size = {file.path: file.file_size for file in artifacts.list_artifacts(None)}.get(name)
    if size is None:
        raise AdmissionError(f"it has no file {name}: is it a model that MLflow has saved?")
    if size > max_bytes:
        raise AdmissionError(f"its {name} has {size} bytes: up to {max_bytes} are read")
    return Path(artifacts.download_artifacts(name, folder))
