"""Objects in an S3 bucket: one, or for images all below a prefix."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError

from afina_api.dataset import S3Source
from afina_api.reasons import DatasetReason
from afina_api.s3 import S3_KEYS
from afina_jobs.dataset.errors import DatasetError, unreadable
from afina_jobs.dataset.sources.addresses import AllowList, Destination
from afina_jobs.dataset.sources.base import (
    CHUNK,
    Fetched,
    TemporaryError,
    check_size,
    digest_of,
    hash_file,
    save,
    with_retries,
)

_TIMEOUT_SECONDS = 60.0
_NOT_THERE = ("NoSuchKey", "NoSuchBucket", "404", "NotFound")
_DENIED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "XAdminUserNotFound")
"""The last one is versitygw's, for keys that it does not know."""
_TRY_AGAIN = ("RequestTimeout", "429", "TooManyRequests")


def download(source: S3Source, env: Mapping[str, str], allowed: AllowList, folder: Path, *, prefix: bool) -> Fetched:
    """Fetch an object, or all objects below a prefix, into a folder.

    Args:
        source: where they are.
        env: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; without them the bucket is public.
        allowed: which internal addresses an endpoint of one's own may have.
        folder: an empty one.
        prefix: fetch all objects whose keys begin with the source's key and a slash.

    Raises:
        DatasetError: they are not there, not allowed, too large, or the server does not answer.
    """
    name = f"s3://{source.bucket}/{source.key}"
    client = with_retries(lambda: _client(source, env, allowed, name))
    if prefix:
        return _download_all(client, source, folder, name)
    return with_retries(lambda: _download_one(client, source.bucket, source.key, folder / "object", name))


def _client(source: S3Source, env: Mapping[str, str], allowed: AllowList, name: str) -> Any:
    destination = allowed.endpoint(source.endpoint_url) if source.endpoint_url else None
    signed = all(env.get(key) for key in S3_KEYS)
    config = Config(
        signature_version="s3v4" if signed else UNSIGNED,
        retries={"mode": "standard", "max_attempts": 3},
        connect_timeout=10,
        read_timeout=_TIMEOUT_SECONDS,
        # Servers other than Amazon's have no names for buckets in DNS.
        s3={"addressing_style": "path" if source.endpoint_url else "auto"},
    )
    keys = [env[key] for key in S3_KEYS] if signed else [None, None]
    try:
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=source.endpoint_url,
            region_name=source.region or "us-east-1",
            aws_access_key_id=keys[0],
            aws_secret_access_key=keys[1],
            config=config,
        )
    except ValueError as error:
        raise DatasetError(DatasetReason.INVALID_SPEC, f"{name}: {error}: check spec.source.s3") from error
    if destination and destination.url.scheme == "http":
        client.meta.events.register("before-send.s3", partial(_pin, destination))
    return client


def _pin(to: Destination, request: Any, **_: Any) -> None:
    """Send a request to the address that was checked, whatever the name means by now.

    Under https the certificate proves whose the address is.
    """
    address = f"[{to.address}]" if ":" in to.address else to.address
    parts = urlsplit(request.url)
    # As it was signed: in small letters, without the usual port.
    request.headers["Host"] = parts.netloc.lower().removesuffix(":80")
    request.url = parts._replace(netloc=f"{address}:{to.port}").geturl()


def _download_one(client: Any, bucket: str, key: str, file: Path, name: str) -> Fetched:
    with _errors_of(name):
        found = client.get_object(Bucket=bucket, Key=key)
        return save(found["Body"].iter_chunks(CHUNK), file, name, found.get("ContentLength"))


def _download_all(client: Any, source: S3Source, folder: Path, name: str) -> Fetched:
    prefix = source.key.rstrip("/") + "/"
    listed = with_retries(lambda: _list(client, source.bucket, prefix, name))
    if not listed:
        message = f"there is no object below {name}/: check spec.source.s3.key"
        raise DatasetError(DatasetReason.SOURCE_UNAVAILABLE, message)
    hashes, total = [], 0
    for key in listed:
        file = _place(folder, key.removeprefix(prefix), name)
        total += with_retries(
            partial(_download_one, client, source.bucket, key, file, f"s3://{source.bucket}/{key}")
        ).bytes
        hashes.append(hash_file(file))
        check_size(total, len(hashes), name)
    return Fetched(folder, name, digest_of(hashes), total)


def _list(client: Any, bucket: str, prefix: str, name: str) -> list[str]:
    with _errors_of(name):
        found: list[str] = []
        total = 0
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                found += [entry["Key"]] if not entry["Key"].endswith("/") else []
                total += entry["Size"]
                check_size(total, len(found), name)
        return found


def _place(folder: Path, key: str, name: str) -> Path:
    """Where the object of a key comes to lie.

    Raises:
        DatasetError: the key is no path of a file below the folder.
    """
    path = PurePosixPath(key)
    file = folder / path
    try:
        if path.is_absolute() or ".." in path.parts or file.is_dir():
            raise ValueError("it leads elsewhere")
        file.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise unreadable(f"the key {key!r} below {name} cannot be a file's path: {error}; rename it") from error
    return file


@contextmanager
def _errors_of(name: str) -> Iterator[None]:
    """Say in our words what went wrong, without the request, which may hold keys."""
    try:
        yield
    except ClientError as error:
        code, text = str(error.response["Error"].get("Code")), error.response["Error"].get("Message", "")
        if code in _NOT_THERE:
            message = f"{name} is not there ({code}): check bucket, key and endpointUrl"
            raise DatasetError(DatasetReason.SOURCE_UNAVAILABLE, message) from None
        http_status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if code in _DENIED or http_status in (401, 403):
            message = f"{name} may not be read ({code}): check the keys in secretRef and the bucket's policy"
            raise DatasetError(DatasetReason.SOURCE_NOT_ALLOWED, message) from None
        message = f"{name}: the server answers {code}: {text}"
        if http_status < 500 and code not in _TRY_AGAIN:
            raise DatasetError(DatasetReason.SOURCE_UNAVAILABLE, f"{message}; check spec.source.s3") from None
        raise TemporaryError(message) from None
    except BotoCoreError as error:
        raise TemporaryError(f"{name}: {error}") from None
