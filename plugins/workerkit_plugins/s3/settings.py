"""What can be set of buckets."""

from __future__ import annotations

from typing import Any

import attrs

from workerkit_plugins.s3.config import S3Config


def _usable(instance: object, attribute: attrs.Attribute[Any], value: S3Config | None) -> None:
    if value is not None:
        try:
            value.check()
        except ValueError as exc:
            raise ValueError(f"{attribute.name}.{exc}") from None


@attrs.frozen(kw_only=True)
class S3Settings:
    """`[plugin.s3]`: the bucket of jobs whose request names none."""

    #: Members as in a request's `s3Config`; its endpoint may be anywhere. When not given, such jobs have no bucket.
    bucket: S3Config | None = attrs.field(default=None, validator=_usable)
