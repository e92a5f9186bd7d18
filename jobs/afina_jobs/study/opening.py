"""Opens the study of a job, and makes sure that it is of the job's spec."""

import hashlib
import json
import secrets
import warnings
from collections.abc import Mapping, Sequence

import optuna
import sqlalchemy
from optuna import Study
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage, get_storage
from optuna.storages._rdb.models import TrialModel, TrialParamModel
from optuna.study import StudyDirection

from afina_api.base import as_json
from afina_api.parameters import FIXED_SPACE, Parameter, have_grown
from afina_api.tuningjob import TuningJob

SEED = "afina:seed"
IDENTITY = "afina:identity"
WEIGHTS = "afina:weights"
_SPEC = "afina:spec"
_PARAMETERS = "afina:parameters"
_FIXED = ("initialConfigs", "warmStartFrom", "objectives", "constraints", "algorithm", "pruning", "trial")


class SpecChangedError(Exception):
    """The study was begun with another spec; the message names the fields that differ."""


def study_name(job: TuningJob) -> str:
    """The study's name: in a shared database no two objects may have the same, not even one after the other."""
    return "/".join(filter(None, (job.metadata.namespace, job.metadata.name, job.metadata.uid)))


def open_study(storage: RDBStorage, job: TuningJob) -> Study:
    """The study of the job; it is begun if it is not there.

    Raises:
        SpecChangedError: the study is of another spec, and not only of narrower ranges.
    """
    study = optuna.create_study(
        storage=storage,
        study_name=study_name(job),
        directions=[StudyDirection[objective.goal.upper()] for objective in job.spec.objectives],
        load_if_exists=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # only how it is kept may change
        # For whoever opens the study without its spec: Optuna's dashboard, `afina results FOLDER`.
        study.set_metric_names([objective.metric for objective in job.spec.objectives])
    study.set_user_attr(WEIGHTS, [objective.weight for objective in job.spec.objectives])
    digests, known = _digests(job), study.user_attrs
    changed = [] if _may_go_on(known.get(_PARAMETERS), job) else ["parameters"]
    changed += [name for name, digest in known.get(_SPEC, digests).items() if digest != digests.get(name, digest)]
    if changed:
        raise SpecChangedError(", ".join(f"spec.{name}" for name in changed))
    if SEED not in known:
        seed = job.spec.algorithm.seed
        study.set_user_attr(SEED, secrets.randbelow(2**31) if seed is None else seed)
    if IDENTITY not in known:
        study.set_user_attr(IDENTITY, secrets.token_hex(8))
    if _SPEC not in known:
        study.set_user_attr(_SPEC, digests)
    return study


def _may_go_on(known: Sequence[object] | None, job: TuningJob) -> bool:
    before, now = [Parameter.model_validate(one) for one in known or ()], job.spec.parameters
    return known is None or before == now or (job.spec.algorithm.name not in FIXED_SPACE and have_grown(before, now))


def _digests(job: TuningJob) -> dict[str, str]:
    """What is fixed once the study has begun, but for the parameters."""
    spec = job.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {
        name: hashlib.sha256(json.dumps(spec.get(name), sort_keys=True).encode()).hexdigest()[:16] for name in _FIXED
    }


def settle(
    study: Study, storage: RDBStorage, parameters: Sequence[Parameter], space: Mapping[str, BaseDistribution]
) -> None:
    """Record the space of a study. Where it has grown, its trials become trials of the new one.

    Optuna's samplers learn from no trial that has another distribution than others: what is kept of a trial is
    its values, which are in the new ranges, too. May be repeated.
    """
    said = [as_json(one) for one in parameters]
    known = study.user_attrs.get(_PARAMETERS, said)
    if known != said:
        _retell(study, storage, space)
    if known != said or _PARAMETERS not in study.user_attrs:
        study.set_user_attr(_PARAMETERS, said)


def _retell(study: Study, storage: RDBStorage, space: Mapping[str, BaseDistribution]) -> None:
    own = sqlalchemy.select(TrialModel.trial_id).where(TrialModel.study_id == study._study_id)
    with storage.engine.begin() as connection:
        for name, distribution in space.items():
            connection.execute(
                sqlalchemy.update(TrialParamModel)
                .where(TrialParamModel.param_name == name, TrialParamModel.trial_id.in_(own))
                .values(distribution_json=distribution_to_json(distribution))
            )
    # What it has read of trials that had ended, it would not read again.
    study._storage = get_storage(storage)
