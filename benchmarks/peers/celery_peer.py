from __future__ import annotations

import os

import job
import producer
from celery import Celery

URL = os.environ["BENCH_REDIS"]
app = Celery("celery_peer", broker=f"{URL}/0", backend=f"{URL}/1")
app.conf.update(worker_prefetch_multiplier=64, worker_hijack_root_logger=False)


@app.task(name="noop")
def noop(input):
    return job.run(input)


if __name__ == "__main__":
    producer.start(
        lambda value: noop.delay(value).id,
        lambda task: app.AsyncResult(task).get(timeout=10),
    )
