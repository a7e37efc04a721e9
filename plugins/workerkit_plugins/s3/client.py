"""boto3 clients that know one config's keys, and nothing of the machine that they run on."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, cast

import attrs

from workerkit.guard import Blocked, Guard
from workerkit_plugins.s3.config import S3Config
from workerkit_plugins.s3.endpoint import Endpoint
from workerkit_plugins.s3.patience import READ, Finding
from workerkit_plugins.s3.refusals import BAD_REQUEST, explained, look_at, status_of

if TYPE_CHECKING:
    import ssl

    from types_boto3_s3 import S3Client

#: Of one client at a time.
CONNECTIONS = 16
#: Tries of a request, the first included.
TRIES = 3
#: For a session of botocore: where it finds neither profiles nor files of this machine.
NOWHERE = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class Clients:
    """Makes a client for each job from one session: a session's models take 100 ms to load, a client 5.

    The session is given no keys, and looks for none: neither profiles nor files nor roles of this machine.
    """

    def __init__(self) -> None:
        # boto3's sessions are not safe for threads.
        self._lock = threading.Lock()
        self._session: Any = None
        self._trusted: ssl.SSLContext | None = None

    def connect(self, config: S3Config, guard: Guard) -> S3Client:
        """A client that has seen its bucket. It goes only where `guard` lets it.

        Raises ConnectionError when the endpoint does not answer, within 20 s, and `JobFailed` when it
        refuses the keys or has no such bucket.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        endpoint, finding = config.endpoint, Finding()
        with explained(config):
            try:
                return self._seen(config, endpoint, guard, finding)
            except ClientError as exc:
                if endpoint.is_guess and status_of(exc) == BAD_REQUEST:
                    # Services that want the other style say so in as many ways.
                    with suppress(ClientError, BotoCoreError, Blocked):
                        return self._seen(config, attrs.evolve(endpoint, style="virtual"), guard, finding)
                raise

    def signer(self, config: S3Config, guard: Guard) -> S3Client:
        """A client that signs URLs for those who reach the service by its public endpoint; it asks nobody."""
        return self._client(config, config.public, guard, Finding())

    def _seen(self, config: S3Config, endpoint: Endpoint, guard: Guard, finding: Finding) -> S3Client:
        client = self._client(config, endpoint, guard, finding)
        try:
            region = look_at(client, config.bucketName, endpoint.shown)
        except BaseException:
            client.close()
            raise
        if endpoint.service.is_found and region not in ("", endpoint.region):
            # URLs must be signed for the bucket's own region: nobody follows them into another.
            client.close()
            client = self._client(config, attrs.evolve(endpoint, region=region), guard, finding)
        cast(_Sending, client).sender.is_proven = True
        return client

    def _client(self, config: S3Config, endpoint: Endpoint, guard: Guard, finding: Finding) -> S3Client:
        from botocore.config import Config

        from workerkit_plugins.s3.sending import Sender, trusted

        token, service = config.sessionToken, endpoint.service
        # Others refuse checksums that they do not know.
        checksums: Literal["when_supported", "when_required"]
        checksums = "when_supported" if service.is_aws else "when_required"
        with self._lock:
            if self._session is None:
                self._session, self._trusted = _session(), trusted()
            client: S3Client = self._session.client(
                "s3",
                endpoint_url=None if service.is_found else endpoint.shown,
                use_ssl=endpoint.url.scheme == "https",
                region_name=endpoint.region,
                aws_access_key_id=config.accessId,
                aws_secret_access_key=config.accessSecret.reveal(),
                aws_session_token=None if token is None else token.reveal(),
                config=Config(
                    signature_version="s3v4",
                    s3={"addressing_style": endpoint.style, "us_east_1_regional_endpoint": "regional"},
                    request_checksum_calculation=checksums,
                    response_checksum_validation=checksums,
                    retries={"mode": "standard", "total_max_attempts": TRIES},
                    read_timeout=READ,
                    proxies={},
                    ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # unknown to the stubs
                    use_fips_endpoint=False,
                    use_dualstack_endpoint=service.is_dualstack,
                ),
            )
            assert self._trusted is not None
            sender = Sender(endpoint, guard, self._trusted, CONNECTIONS, finding)
        cast(_Sending, client).sender = sender
        client.meta.events.register("before-send.s3", cast(Any, sender))
        return client


class _Sending:
    """What is added to boto3's class of clients: they close what sends for them, too."""

    sender: Any

    def end_within(self, seconds: float) -> None:
        """See `Sender.end_within`."""
        self.sender.end_within(seconds)

    def close(self) -> None:
        """Close all connections, those in the midst of something too."""
        super().close()  # type: ignore[misc]
        self.sender.close()


def _session() -> Any:
    import boto3
    import botocore.session

    session = boto3.session.Session(botocore_session=botocore.session.Session(session_vars=NOWHERE))
    session.events.register("creating-client-class.s3", _add_sending)
    return session


def _add_sending(base_classes: list[type], **event: Any) -> None:
    base_classes.insert(0, _Sending)
