from __future__ import annotations

import os

import job
import producer
from redis import Redis
from rq import Queue
from rq.job import Job


def noop(input):
    return job.run(input)


def stored(id):
    return Job.fetch(id, connection=connection).latest_result(timeout=10).return_value


if __name__ == "__main__":
    import rq_peer

    connection = Redis.from_url(os.environ["BENCH_REDIS"])
    queue = Queue("bench", connection=connection)
    producer.start(lambda value: queue.enqueue(rq_peer.noop, value).id, stored)
