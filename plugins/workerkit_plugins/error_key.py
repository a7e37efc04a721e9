"""A dict with a truthy `error` is a failed job, as it is on RunPod."""

from __future__ import annotations

import json
from typing import Any

from workerkit import JobFailed, Output, hookimpl


class ErrorKey:
    """Turns `{"error": …}`, returned or yielded, into the end of the job."""

    @hookimpl
    def on_output(self, output: Output) -> None:
        """Fail the job with the error's text; what else the dict held stays as its output."""
        value = output.value
        if isinstance(value, dict) and value.get("error"):
            rest = {name: inner for name, inner in value.items() if name != "error"}
            raise JobFailed(_text(value["error"]), output=rest or None)


def _text(error: Any) -> str:
    """The error as it is, or its JSON; an exception or another object speaks for itself."""
    return error if isinstance(error, str) else json.dumps(error, default=str, ensure_ascii=False)
