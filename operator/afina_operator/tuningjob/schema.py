"""From the raw TuningJob to the typed one, or to words that tell what is wrong with it."""

import json

from pydantic import ValidationError

from afina_api.base import as_json
from afina_api.tuningjob import TuningJob
from afina_operator.resources import Json, dig
from afina_operator.settings import Images

_SPEC_LIMIT = 1_000_000
"""A ConfigMap holds 1 MiB, and the spec must fit into one."""
_ERRORS_SHOWN = 5


class InvalidSpecError(Exception):
    """The spec says something that the API server let through and that cannot be done; the message says what."""


def parse(obj: Json, images: Images) -> TuningJob:
    """The TuningJob without its status.

    Raises:
        InvalidSpecError: naming each field and what it may be.
    """
    try:
        job = TuningJob.model_validate({key: obj.get(key) for key in ("apiVersion", "kind", "metadata", "spec")})
    except ValidationError as error:
        problems = [_problem(dict(one)) for one in error.errors(include_url=False, include_context=False)]
        shown = "; ".join(problems[:_ERRORS_SHOWN])
        more = len(problems) - _ERRORS_SHOWN
        raise InvalidSpecError(f"{shown}; and {more} more" if more > 0 else shown) from None
    if job.spec.algorithm.name == "GP" and not (job.spec.trial.image or images.runtime_torch):
        raise InvalidSpecError(
            "spec.algorithm.name: GP needs the torch runtime image, which this installation does not name: "
            "set it in the chart's values, set spec.trial.image, or use TPE"
        )
    if len(spec_file(job)) > _SPEC_LIMIT:
        raise InvalidSpecError(f"spec: more than {_SPEC_LIMIT} bytes as JSON: shorten choices, arguments or variables")
    return job


def spec_file(job: TuningJob) -> str:
    """What the driver reads: the TuningJob as a JSON file."""
    metadata = {"name": job.metadata.name, "namespace": job.metadata.namespace, "uid": job.metadata.uid}
    content = {"apiVersion": job.api_version, "kind": job.kind, "metadata": metadata, "spec": as_json(job.spec)}
    return json.dumps(content, separators=(",", ":"), sort_keys=True)


def suspended(obj: Json) -> bool:
    """Whether the spec asks for suspension, be the rest of it valid or not."""
    return dig(obj, "spec", "suspend") is True


def _problem(error: Json) -> str:
    where = ".".join(str(step) for step in error["loc"]) or "spec"
    return f"{where}: {str(error['msg']).removeprefix('Value error, ')}"
