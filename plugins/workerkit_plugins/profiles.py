"""Profiles that ship: settings by section, as a file has them. Times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: `profile = "runpod"`: timings and retention as on RunPod's platform. Its size limits are the defaults.
RUNPOD: Mapping[str, Mapping[str, Any]] = {
    "queue": {
        # After /run: docs.runpod.io/serverless/endpoints/operation-reference, "Result retention".
        "keep": 30 * 60,
        # After /runsync, in the same place.
        "keep_sync": 60,
    },
    "policy": {
        # "Execution timeout" in docs.runpod.io/serverless/endpoints/endpoint-configurations.
        "execution_timeout": 600,
        # "Job TTL", in the same place.
        "ttl": 24 * 3600,
    },
}
