"""The body of a request as JSON of a known form."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from afina_serving.errors import RequestError

_MAX_PROBLEMS = 5

Request = TypeVar("Request", bound=BaseModel)


def read(form: type[Request], body: bytes, wrong: int, statuses: Mapping[str, int] = MappingProxyType({})) -> Request:
    """The request.

    Args:
        form: what it should be.
        body: of the request.
        wrong: the status of one that has another form.
        statuses: of other problems, by pydantic's name of them.

    Raises:
        RequestError: it is no JSON (400), or has another form; the message names the fields.
    """
    try:
        # Not pydantic's own reading of JSON, which takes a hundred times the memory of the body.
        return form.model_validate(from_json(body, allow_inf_nan=False))
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)[:_MAX_PROBLEMS]
        told = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the body'}: {one['msg']}" for one in problems)
        raise RequestError(statuses.get(problems[0]["type"], wrong), told) from error
    except ValueError as error:
        raise RequestError(400, f"the body: Invalid JSON: {error}") from error
