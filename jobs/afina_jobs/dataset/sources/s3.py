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
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from afina_api.dataset import S3Source
from afina_api.reasons import DatasetReason
from afina_jobs.dataset.errors import DatasetError, unreadable
from afina_jobs.dataset.sources.addresses import AllowList
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

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_NOT_THERE = ("NoSuchKey", "NoSuchBucket", "404", "NotFound")
_DENIED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "401", "InvalidToken")


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
    client = with_retries(lambda: _client(source, env, allowed))
    if prefix:
        return _download_all(client, source, folder, name)
    return with_retries(lambda: _download_one(client, source.bucket, source.key, folder / "object", name))


def _client(source: S3Source, env: Mapping[str, str], allowed: AllowList) -> Any:
    if source.endpoint_url:
        parts = urlsplit(source.endpoint_url)
        allowed.address(parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme])
    signed = all(env.get(key) for key in _KEYS)
    config = Config(
        signature_version="s3v4" if signed else UNSIGNED,
        retries={"mode": "standard", "max_attempts": 3},
        connect_timeout=10,
        read_timeout=60,
        # Servers other than Amazon's have no names for buckets in DNS.
        s3={"addressing_style": "path" if source.endpoint_url else "auto"},
    )
    keys = [env[key] for key in _KEYS] if signed else [None, None]
    return boto3.session.Session().client(
        "s3",
        endpoint_url=source.endpoint_url,
        region_name=source.region or "us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=config,
    )


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
        if code in _DENIED:
            message = f"{name} may not be read ({code}): check the keys in secretRef and the bucket's policy"
            raise DatasetError(DatasetReason.SOURCE_NOT_ALLOWED, message) from None
        raise TemporaryError(f"{name}: the server answers {code}: {text}") from None
    except NoCredentialsError:
        message = f"{name}: there are no keys: say secretRef"
        raise DatasetError(DatasetReason.SOURCE_NOT_ALLOWED, message) from None
    except BotoCoreError as error:
        raise TemporaryError(f"{name}: {error}") from None
