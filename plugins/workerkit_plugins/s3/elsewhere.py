"""The service for other libraries and programs, as a connected client found it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from workerkit import JobFailed
from workerkit.guard import Guard, parse
from workerkit_plugins.s3.client import NOWHERE
from workerkit_plugins.s3.config import S3Config

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

#: Seconds for a name.
_RESOLVED_WITHIN = 5.0
#: Seconds.
DISCONNECTED_WITHIN = 2.0


def environ(client: S3Client, config: S3Config) -> dict[str, str]:
    """Variables for one program: of the AWS SDKs, which most programs are made with, and of rclone."""
    region, settings = client.meta.region_name, cast(Any, client.meta.config)
    return {
        "AWS_ACCESS_KEY_ID": config.accessId,
        "AWS_SECRET_ACCESS_KEY": config.accessSecret.reveal(),
        # Empty, it is no token, and not the one that the environment has for its own keys.
        "AWS_SESSION_TOKEN": "" if config.sessionToken is None else config.sessionToken.reveal(),
        "AWS_ENDPOINT_URL_S3": client.meta.endpoint_url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_REQUEST_CHECKSUM_CALCULATION": settings.request_checksum_calculation.upper(),
        "AWS_RESPONSE_CHECKSUM_VALIDATION": settings.response_checksum_validation.upper(),
        "RCLONE_S3_PROVIDER": "Other",
        "RCLONE_S3_ENV_AUTH": "true",
        "RCLONE_S3_FORCE_PATH_STYLE": "true" if settings.s3["addressing_style"] == "path" else "false",
        # Keys of one bucket may not make any.
        "RCLONE_S3_NO_CHECK_BUCKET": "true",
    }


def filesystem(client: S3Client, config: S3Config, guard: Guard, watch: Callable[[Any], object]) -> Any:
    """An fsspec file system that nobody else is given, and that goes where `guard` lets it.

    An address is not looked up, and is one that the client was let to. `watch` is given the emitter of its events.
    """
    try:
        s3fs: Any = import_module("s3fs")
    except ImportError:
        raise JobFailed("bucket.fsspec() needs the package s3fs; install it: pip install s3fs") from None
    settings = cast(Any, client.meta.config)
    session = import_module("aiobotocore.session").AioSession(session_vars=NOWHERE)
    watch(session.get_component("event_emitter"))
    return s3fs.S3FileSystem(
        key=config.accessId,
        secret=config.accessSecret.reveal(),
        token=None if config.sessionToken is None else config.sessionToken.reveal(),
        endpoint_url=client.meta.endpoint_url,
        client_kwargs={"region_name": client.meta.region_name},
        config_kwargs={
            "signature_version": "s3v4",
            "s3": settings.s3,
            "request_checksum_calculation": settings.request_checksum_calculation,
            "response_checksum_validation": settings.response_checksum_validation,
            "proxies": {},
            "connector_args": {"resolver": _resolver(guard)},
        },
        session=session,
        # What is cached is found by its arguments: the keys would stay, for other jobs too.
        skip_instance_cache=True,
    )


def disconnect(files: Any) -> None:
    """Close the connections of such a file system."""
    if files._s3 is not None:
        import_module("fsspec.asyn").sync(files.loop, files._s3.close, timeout=DISCONNECTED_WITHIN)


def _resolver(guard: Guard) -> Any:
    import asyncio

    from aiohttp.abc import AbstractResolver

    class Guarded(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> Any:
            url = parse(f"http://{host}:{port}")
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(None, guard.addresses, url, _RESOLVED_WITHIN)
            return [
                {"hostname": host, "host": a.host, "port": port, "family": a.family, "proto": 0, "flags": 0}
                for a in found
            ]

        async def close(self) -> None:
            pass

    return Guarded()
