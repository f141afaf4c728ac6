"""Object stores: S3 and what speaks its language, Google Cloud Storage, Azure Blob Storage."""

import os
from urllib.parse import unquote

from pyarrow import fs

from forecast.data.fetch import without_secrets
from forecast.data.sources import listing
from forecast.data.sources.listing import Part
from forecast.errors import InputError

_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY",
}
"""Variables of the environment in which each store looks for its credentials."""


def files(address: str) -> list[Part]:
    """List the files of an address; credentials are those of the environment."""
    scheme, _, rest = address.partition("://")
    shown = without_secrets(address) if rest else address
    login, at, path = rest.rpartition("@")
    path = path.rstrip("/")
    bucket = path.partition("/")[0]
    if not bucket or any(sign in bucket for sign in "*?["):
        raise InputError(
            f"data.path must name a bucket, got {shown!r}: write {scheme}://BUCKET/FOLDER"
        )
    try:
        system = _system(scheme, bucket, login if at else "")
        try:
            return listing.remote(f"{scheme}://{path}", system, path)
        except InputError as nothing:
            if _absent(system, bucket):
                raise InputError(
                    f"data.path must name a bucket that is there, got {shown!r}, whose bucket "
                    f"{bucket!r} is not: check the spelling"
                ) from nothing
            raise
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(
            f"data.path must be a store that can be read, got {shown!r} ({_reason(error)}): check "
            f"{_CREDENTIALS[scheme]}"
        ) from None  # whose words may repeat a key


def _absent(system: fs.FileSystem, bucket: str) -> bool:
    """Tell whether a store has no such bucket."""
    [info] = system.get_file_info([bucket])
    return info.type == fs.FileType.NotFound


def _system(scheme: str, bucket: str, login: str) -> fs.FileSystem:
    """Open a store, with the key that its address states or those of the environment."""
    user, _, secret = (unquote(part) for part in login.partition(":"))
    if scheme == "gs":
        return fs.GcsFileSystem()
    if scheme == "az":
        account = user or os.environ.get("AZURE_STORAGE_ACCOUNT", "")
        key = secret or os.environ.get("AZURE_STORAGE_KEY")
        return fs.AzureFileSystem(account, account_key=key)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    protocol, mark, host = (endpoint or "").partition("://")
    told = {"access_key": user, "secret_key": secret} if user else {}
    return fs.S3FileSystem(
        region=region or ("us-east-1" if endpoint else fs.resolve_s3_region(bucket)),
        endpoint_override=host.rstrip("/") if mark else endpoint,
        scheme=protocol if mark else "https",
        connect_timeout=10,
        request_timeout=60,
        **told,
    )


def _reason(error: Exception) -> str:
    """Say why a store cannot be read, in none of its own words."""
    text = str(error)
    for words, reason in {
        ("ACCESS_DENIED", "403", "Forbidden", "INVALID_ACCESS_KEY", "SIGNATURE"): "it refuses "
        "these credentials",
        ("NETWORK_CONNECTION", "resolve host", "Connection refused"): "no server answers there",
        ("NoSuchBucket", "NO_SUCH_BUCKET", "not found", "404"): "it has no such bucket",
        ("account",): "no account is named",
    }.items():
        if any(word in text for word in words):
            return reason
    return type(error).__name__
