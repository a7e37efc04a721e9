from __future__ import annotations

import os

import dramatiq
import job
import producer
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

URL = os.environ["BENCH_REDIS"]
results = RedisBackend(url=f"{URL}/1")
broker = RedisBroker(url=f"{URL}/0")
broker.add_middleware(Results(backend=results))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def noop(input):
    return job.run(input)


if __name__ == "__main__":
    producer.start(
        lambda value: noop.send(value).message_id,
        lambda task: results.get_result(noop.message()._replace(message_id=task), block=True, timeout=10_000),
    )
