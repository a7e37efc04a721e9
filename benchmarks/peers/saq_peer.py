from __future__ import annotations

import os

import job
import producer
from saq import Queue

queue = Queue.from_url(os.environ["BENCH_REDIS"])


async def noop(context, *, input):
    return job.run(input)


settings = {
    "queue": queue,
    "functions": [noop],
    "concurrency": int(os.environ.get("BENCH_CONCURRENCY", "1")),
}


async def put(input):
    return (await queue.enqueue("noop", input=input)).key


async def stored(id):
    found = await queue.job(id)
    await found.refresh(10)
    return found.result


if __name__ == "__main__":
    producer.start(put, stored, queue.connect)
