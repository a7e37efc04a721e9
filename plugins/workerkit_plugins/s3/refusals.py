"""What services refuse, as sentences that name the member of `s3Config` to correct."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workerkit import JobFailed
from workerkit.guard import Blocked
from workerkit_plugins.s3.config import S3Config

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from types_boto3_s3 import S3Client

#: Codes of answers. Services that are no Amazon's have some of their own.
_UNKNOWN_ID = ("InvalidAccessKeyId", "InvalidAccessKey", "UnknownAccessKey", "KeyNotFound")
_WRONG_SECRET = ("SignatureDoesNotMatch", "SignatureNotMatch")
_WRONG_TOKEN = ("ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidTokenId")
_NOT_ALLOWED = ("AccessDenied", "AccessForbidden", "Forbidden", "UnauthorizedAccess", "403", "401")
_WRONG_CLOCK = ("RequestTimeTooSkewed", "RequestExpired")
#: Of objects that are read: their absence may be what somebody wants to know, and an empty one has no range.
_OF_READING = ("GetObject", "HeadObject")
_ABSENT = ("NoSuchKey", "NoSuchVersion", "404", "InvalidRange", "416")
#: Of buckets: these say 404 for one that is not there.
_OF_BUCKETS = ("HeadBucket", "ListObjectsV2")
#: Of answers, without which nothing can be done with them.
_NEEDED = ("UploadId", "ETag", "ContentLength", "ContentRange", "Key", "Size", "LastModified")
_IS_IT = "and so not as S3 does; is it an S3 endpoint?"
MOVED, BAD_REQUEST, NOT_FOUND, TOO_MANY, SERVERS_FAULT = 301, 400, 404, 429, 500


def look_at(client: S3Client, bucket: str, shown: str) -> str:
    """See that an endpoint has a bucket and takes the client's keys; the bucket's region, if it says so.

    Raises what the client raises. Keys that may do nothing but store objects are taken.
    """
    from botocore.exceptions import ClientError

    try:
        return _region(client.head_bucket(Bucket=bucket), shown)
    except ClientError as exc:
        region = _region(exc.response, shown)
    try:
        # A refused HEAD has no body that would say why.
        client.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except ClientError as exc:
        _region(exc.response, shown)
        if _code(exc) not in _NOT_ALLOWED:
            raise
    return region


@contextmanager
def explained(config: S3Config, key: str = "") -> Iterator[None]:
    """Around calls of a client: what cannot work as the config is fails the job with a sentence.

    `key` is that of the object they are about. An endpoint that does not answer, or breaks off, raises
    ConnectionError, and a file that has become shorter OSError. An object that is not there to be read, and
    what is no error of the service, is raised as it came. A sentence says all that a user can do, so that
    it comes without the errors of the libraries below.
    """
    from botocore.exceptions import ClientError

    from workerkit_plugins.s3.sending import Shrunk, Unanswered, Untrusted, Unusable

    try:
        yield
    except Untrusted as exc:
        raise JobFailed(str(exc)) from None
    except (Unanswered, Unusable) as exc:
        raise ConnectionError(str(exc)) from None
    except Shrunk:
        raise OSError(
            f"what is uploaded to {key!r} became shorter meanwhile; upload it when it is whole"
        ) from None
    except Blocked as exc:
        raise JobFailed(f"s3Config.endpointUrl: {exc}") from None
    except Exception as exc:
        if (broken := _broken(exc, config, key)) is not None:
            raise broken from None
        refused = next((each for each in _chain(exc) if isinstance(each, ClientError)), None)
        text = None if refused is None else sentence(refused, config)
        if refused is None or text is None:
            raise
        if _code(refused) == "NoSuchUpload":
            raise OSError(f"the upload of {key!r} was aborted by somebody else") from None
        status = status_of(refused)
        if status == TOO_MANY or status >= SERVERS_FAULT:
            raise ConnectionError(text) from None  # it may be better the next time
        raise JobFailed(text) from None


def sentence(refused: ClientError, config: S3Config) -> str | None:
    """What boto3's ClientError means for a config; None for what is not the config's fault."""
    error: Mapping[str, Any] = refused.response.get("Error", {})
    code = _code(refused)
    operation, at = refused.operation_name, config.endpoint.shown
    if operation == "ListObjectsV2" and status_of(refused) == NOT_FOUND and code in ("", "404"):
        # S3 would have written a code into the body; botocore takes the status in its place.
        return f"{at} answered 404, and not as S3 does; is it an S3 endpoint?"
    if code == "NoSuchBucket" or (operation in _OF_BUCKETS and status_of(refused) == NOT_FOUND):
        return f"the bucket {config.bucketName!r} does not exist at {at}; check bucketName and endpointUrl"
    if is_absent(refused):
        return None
    if code in _UNKNOWN_ID:
        return f"{at} does not know the accessId; check accessId and endpointUrl"
    if code in _WRONG_SECRET:
        return f"{at} refused the accessSecret: it is not that of the accessId"
    if code in _WRONG_TOKEN:
        return f"{at} refused the sessionToken: it is not valid, or not any more"
    if code in _NOT_ALLOWED:
        return (
            f"the keys of accessId and accessSecret may not do {operation} in the bucket {config.bucketName!r} "
            f"at {at}; give them that permission, or send others"
        )
    if code in _WRONG_CLOCK:
        return f"{at} refused the time of the request; set the clock of the worker's machine"
    if wanted := _wanted_region(refused):
        return f"{at} does not sign for the region {config.endpoint.region!r}; set region to {wanted!r}"
    # Whole: a service may repeat the sessionToken, and half of one would be masked by nobody.
    said = " ".join(str(error.get("Message", "")).split())
    return f"{at} answered {operation} with {code}: {said}"


def is_absent(refused: ClientError) -> bool:
    """Whether a service says that an object to be read, or the asked range of it, is not there."""
    return refused.operation_name in _OF_READING and _code(refused) in _ABSENT


def status_of(refused: ClientError) -> int:
    """The HTTP status of an answer."""
    return int(refused.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def broke_off(config: S3Config, key: str) -> ConnectionError:
    """What to raise for an object of which a part has come."""
    return ConnectionError(f"{config.endpoint.shown} broke off in the midst of the object {key!r}")


def replaced(key: str) -> OSError:
    """What to raise for an object of which another version came in the midst of it."""
    return OSError(f"the object {key!r} was replaced or removed while it was read; open it again")


def _wanted_region(refused: ClientError) -> str:
    """The region that an answer asks for; empty when it asks for none."""
    if _code(refused) == "AuthorizationHeaderMalformed":  # by anything in it, such as an accessId
        return str(refused.response["Error"].get("Region", ""))
    headers: Mapping[str, str] = refused.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers.get("x-amz-bucket-region", "") if status_of(refused) == MOVED else ""


def _code(refused: ClientError) -> str:
    return str(refused.response.get("Error", {}).get("Code", ""))


def _broken(error: Exception, config: S3Config, key: str) -> Exception | None:
    """What to raise for an answer that is not as it should be; None for what is something else."""
    from boto3.exceptions import RetriesExceededError
    from botocore import exceptions as failures
    from s3transfer.exceptions import S3DownloadFailedError

    at = config.endpoint.shown
    match error:
        case KeyError(args=(member,)) if member in _NEEDED:
            return JobFailed(f"{at} answered without {member}, {_IS_IT}")
        case failures.PaginationError():
            return JobFailed(f"{at} gave the same page of a list again, {_IS_IT}")
        case failures.InvalidRegionError():
            return JobFailed(f"{at} answered with a region that can be none, {_IS_IT}")
        case (
            RetriesExceededError()
            | failures.IncompleteReadError()
            | failures.ReadTimeoutError()
            | failures.ResponseStreamingError()
        ):
            return broke_off(config, key)
        case S3DownloadFailedError():
            return replaced(key)
    return None


def _region(answer: Any, shown: str) -> str:
    """The region that an answer tells; raises for an answer that is meant for browsers."""
    from workerkit_plugins.s3.sending import Unusable

    about = answer["ResponseMetadata"]
    if about["HTTPHeaders"].get("content-type", "").startswith("text/html"):
        raise Unusable(
            sentence=f"{shown} answered with a web page and the status {about['HTTPStatusCode']}; "
            "it is no S3 endpoint, or another port of the service is"
        )
    region: str = about["HTTPHeaders"].get("x-amz-bucket-region", "")
    return region


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it came of: boto3 and smart_open wrap what a service refused."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
