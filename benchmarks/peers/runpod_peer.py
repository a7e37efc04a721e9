from __future__ import annotations

import job
import runpod


def handler(found):
    return job.run(found["input"])


if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
