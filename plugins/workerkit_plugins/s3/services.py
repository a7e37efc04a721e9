"""The services that are known by their hosts: which region they mean, and which style they want."""

from __future__ import annotations

import re
from typing import Literal

import attrs

#: Where the bucket's name goes: into the path, or before the host.
Style = Literal["path", "virtual"]
#: In place of a region: the one that stands in the host.
_SAID = "…"
_AWS = r"s3[.-](?:fips[.-])?(?:dualstack\.)?(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d+)\.amazonaws\.com(?:\.cn)?"
#: Hosts as regular expressions, compiled when one is looked for, each with its region and the style that it wants; the first that fits counts.
_NAMED: tuple[tuple[str, str, Style], ...] = (
    (r"s3(?:-external-1|-accelerate(?:\.dualstack)?)?\.amazonaws\.com", "us-east-1", "virtual"),
    (_AWS, _SAID, "virtual"),
    (r"(?:bucket\.)?vpce-[a-z0-9-]+\.s3\.(?P<region>[a-z0-9-]+)\.vpce\.amazonaws\.com", _SAID, "path"),
    (r"[0-9a-f]{32}(?:\.(?:eu|fedramp))?\.r2\.cloudflarestorage\.com", "auto", "path"),
    (r"s3\.(?P<region>[a-z0-9-]+)\.backblazeb2\.com", _SAID, "path"),
    (r"(?P<region>[a-z]+\d+)\.digitaloceanspaces\.com", _SAID, "path"),
    (r"s3\.wasabisys\.com", "us-east-1", "path"),
    (r"s3\.(?P<region>[a-z0-9-]+)\.wasabisys\.com", _SAID, "path"),
    (r"storage\.googleapis\.com", "auto", "path"),
    (r"s3\.(?P<region>[a-z0-9-]+)\.scw\.cloud", _SAID, "path"),
    (r"s3\.(?P<region>[a-z0-9-]+)(?:\.io|\.perf)?\.cloud\.ovh\.(?:net|us)", _SAID, "path"),
    (r"(?:s3\.)?oss-(?P<region>[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com", _SAID, "virtual"),
    (r"cos\.(?P<region>[a-z0-9-]+)\.myqcloud\.com", _SAID, "virtual"),
    (r"(?P<region>[a-z]+-[a-z]+-\d+)\.linodeobjects\.com", _SAID, "path"),
    (r"(?P<region>[a-z]+\d+)\.your-objectstorage\.com", _SAID, "path"),
    (r"s3\.(?P<region>[a-z0-9-]+)\.cloud-object-storage\.appdomain\.cloud", _SAID, "path"),
    (r"[a-z0-9]+\.compat\.objectstorage\.(?P<region>[a-z0-9-]+)\.oraclecloud\.com", _SAID, "path"),
    (r"fly\.storage\.tigris\.dev|t3\.storage\.dev", "auto", "virtual"),
    (r"cwobject\.com", "us-east-1", "virtual"),
    (r"s3api-(?P<region>[a-z0-9-]+)\.runpod\.io", _SAID, "path"),
)
#: Of anybody: s3.eu-central-1.example.com, s3.example.com.
_LIKELY = re.compile(r"s3(?:[.-](?P<region>[a-z]{2}-[a-z]+-\d+))?\..+")
#: What boto3 finds better by itself, because it can follow a bucket into its region.
_FOUND_BY_BOTO3 = re.compile(
    r"s3(?:[.-](?P<dualstack>dualstack\.)?[a-z]{2,}(?:-[a-z]+)+-\d+)?\.amazonaws\.com(?:\.cn)?"
)
#: Hosts that hand out what is in a bucket, and take nothing.
_READ_ONLY = re.compile(r".+\.(?:cdn\.digitaloceanspaces\.com|r2\.dev|s3-website[.-].+\.amazonaws\.com)")
DEFAULT_REGION = "us-east-1"


@attrs.frozen
class Service:
    """What a host tells of itself."""

    region: str = DEFAULT_REGION
    style: Style = "path"
    #: Whether it is Amazon's own.
    is_aws: bool = False
    #: Whether boto3 knows it by its region.
    is_found: bool = False
    is_dualstack: bool = False


def named(host: str) -> Service | None:
    """A service that is known; None for another host."""
    for pattern, said, style in _NAMED:
        if found := re.fullmatch(pattern, host):
            region = found["region"] if said == _SAID else said
            by_boto3 = _FOUND_BY_BOTO3.fullmatch(host)
            return Service(
                # RunPod's regions are its data centres, which it writes in capitals.
                region.upper() if host.endswith(".runpod.io") else region,
                style,
                is_aws=".amazonaws.com" in host,
                is_found=by_boto3 is not None,
                is_dualstack=bool(by_boto3 and by_boto3["dualstack"]),
            )
    return None


def likely(host: str) -> Service | None:
    """What a host of somebody else tells that begins with `s3`; None for another."""
    found = _LIKELY.fullmatch(host)
    return None if found is None else Service(found["region"] or DEFAULT_REGION)


def is_read_only(host: str) -> bool:
    """Whether a host hands out a bucket's objects to browsers, and is no endpoint."""
    return _READ_ONLY.fullmatch(host) is not None
