"""A worker of another kind: a program that speaks the wire and knows nothing of workerkit. It masks nothing.

It keeps every secret that it was ever given, and tells all of them in every job, in every way there is.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from typing import Any, NoReturn

import msgspec

wire = socket.socket(fileno=int(sys.argv[1])).makefile("rwb")
kept: list[str] = []


def say(kind: str, **more: Any) -> None:
    body = msgspec.msgpack.encode({"t": kind, **more})
    wire.write(len(body).to_bytes(4, "big") + body)
    wire.flush()


def hear() -> dict[str, Any]:
    size = int.from_bytes(wire.read(4), "big")
    if not size:
        sys.exit()  # the host is gone
    frame: dict[str, Any] = msgspec.msgpack.decode(wire.read(size))
    return frame


def run(job: dict[str, Any]) -> None:
    of = {"id": job["id"], "attempt": job["attempt"]}
    how, told = json.loads(job["input"]), " ".join(kept)
    os.write(1, f"printed {told}\n".encode())
    say("progress", **of, value=json.dumps({"progress": told}).encode())
    end: dict[str, Any] = {"status": "COMPLETED", "notes": {told: [told]}, "cause": f"so {told}"}
    if how == "dies":
        os.write(2, f"last words {told}\n".encode())
        os._exit(9)
    if how == "raises":
        error = {"error_type": told, "error_message": told, "error_traceback": f"Traceback: {told}\n"}
        end |= {"status": "FAILED", "error": json.dumps(error)}
    elif how == "yields":
        chunks = ["text: ", *told, {told: told}]
        for number, chunk in enumerate(chunks):
            say("chunk", **of, n=number, value=json.dumps(chunk).encode())
        end["chunks"] = len(chunks)
    elif how.startswith("by RunPod's SDK"):
        end |= by_sdk(job["id"], told, raises=how.endswith("raises"))
    else:
        end["output"] = json.dumps({told: [told]}).encode()
    say("result", slot=job["slot"], **of, **end)


def by_sdk(id: str, told: str, *, raises: bool) -> dict[str, Any]:
    """What RunPod's own SDK makes of a handler: its code runs it, and logs what came out at DEBUG."""
    os.environ["RUNPOD_DEBUG_LEVEL"] = "DEBUG"
    from runpod.serverless.modules.rp_job import run_job  # here: others do without, and it takes its time

    def handler(job: dict[str, Any]) -> dict[str, str]:
        if raises:
            raise ValueError(told)
        return {"told": told}

    result = asyncio.run(run_job(handler, {"id": id, "input": told}))
    if "error" in result:
        return {"status": "FAILED", "error": result["error"]}
    return {"output": json.dumps(result["output"]).encode()}


def main() -> NoReturn:
    """Announce two functions, serve one."""
    kinds = {"tell": "function", "parts": "generator"}
    once = {"concurrency": 1, "max_starts": 1}
    say(
        "hello",
        protocol=hear()["protocol"],
        functions=[{"name": name, "kind": kinds[name], **once} for name in kinds],
    )
    while True:
        frame = hear()
        if frame["t"] == "assign":
            assert not any(name.partition(".")[0] == "workerkit" for name in sys.modules)
            say("ready")
        elif frame["t"] == "job":
            kept.extend(json.loads(secret) for secret in frame.get("fields", {}).values())
            run(frame)
        elif frame["t"] == "drain":
            sys.exit()


if __name__ == "__main__":
    main()
