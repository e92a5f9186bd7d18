"""Where something is in S3."""

from typing import Annotated

from pydantic import StringConstraints

from afina_api.base import LocalReference, Model

S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""Entries of the Secret, and the names by which programs know them."""


class S3Access(Model):
    """A server of S3, and who may use it."""

    endpoint_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+$", max_length=253)] | None = None
    """Where the server is not Amazon's: its URL."""
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$", max_length=63)] | None = None
    """Region of the bucket."""
    secret_ref: LocalReference | None = None
    """Secret with the entries AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Unset: the bucket is public."""


class S3Bucket(S3Access):
    """A bucket, and who may use it."""

    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$", min_length=3, max_length=63)]
    """Name of the bucket."""
