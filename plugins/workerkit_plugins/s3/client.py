"""boto3 clients that know a request's keys, and nothing of the machine that they run on."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any

from workerkit_plugins.s3.config import S3Config

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class Clients:
    """Makes a client for each job from one session: a session's models take 100 ms to load, a client 5.

    The session is given no keys, and looks for none: neither profiles nor files of this machine.
    """

    def __init__(self) -> None:
        # boto3's sessions are not safe for threads.
        self._lock = threading.Lock()
        self._session: Any = None

    def connect(self, config: S3Config) -> S3Client:
        """A client for one request, which has seen that the endpoint answers.

        Raises ConnectionError when it does not: smart_open would go on trying for a minute.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        client = self._client(config)
        try:
            with contextlib.suppress(ClientError):
                client.head_bucket(Bucket=config.bucketName)
        except BotoCoreError as exc:
            client.close()
            raise ConnectionError(
                f"the bucket's endpoint {config.service_url} does not answer: {exc}"
            ) from exc
        return client

    def _client(self, config: S3Config) -> S3Client:
        from botocore.config import Config

        token = config.sessionToken
        with self._lock:
            if self._session is None:
                self._session = _session()
            client: S3Client = self._session.client(
                "s3",
                endpoint_url=config.service_url,
                region_name=config.region or config.guessed_region,
                aws_access_key_id=config.accessId,
                aws_secret_access_key=config.accessSecret.reveal(),
                aws_session_token=None if token is None else token.reveal(),
                config=Config(
                    signature_version="s3v4",
                    # Many services refuse the checksums that boto3 adds on its own.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    retries={"mode": "standard", "total_max_attempts": 3},
                    connect_timeout=5,
                    read_timeout=60,
                    proxies={},
                    use_fips_endpoint=False,
                    use_dualstack_endpoint=False,
                ),
            )
        return client


def _session() -> Any:
    import boto3
    import botocore.session

    nowhere = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return boto3.session.Session(botocore_session=botocore.session.Session(session_vars=nowhere))
