from __future__ import annotations

import os

import job
import producer
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

URL = os.environ["BENCH_REDIS"]
results = RedisAsyncResultBackend(redis_url=URL, result_ex_time=600)
broker = RedisStreamBroker(url=URL).with_result_backend(results)


@broker.task(task_name="noop")
async def noop(input: dict) -> dict:
    return job.run(input)


async def put(input):
    return (await noop.kiq(input)).task_id


async def stored(id):
    return (await results.get_result(id)).return_value


if __name__ == "__main__":
    producer.start(put, stored, broker.startup)
