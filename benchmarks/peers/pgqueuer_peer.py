from __future__ import annotations

import asyncio
import json
import os
import sys

import asyncpg
import job
import producer
from pgqueuer import PgQueuer, Queries

URL = os.environ["BENCH_POSTGRESQL"]


async def queries():
    return Queries.from_asyncpg_connection(await asyncpg.connect(URL))


async def work(batch):
    worker = PgQueuer.from_asyncpg_connection(await asyncpg.connect(URL))

    @worker.entrypoint("noop")
    async def noop(found):
        job.run(json.loads(found.payload))

    await worker.run(batch_size=batch)


class Producer:
    async def prepare(self):
        self._queries = await queries()

    async def put(self, input):
        return (await self._queries.enqueue("noop", json.dumps(input).encode()))[0]


async def install():
    await (await queries()).install()


if __name__ == "__main__":
    if sys.argv[1] == "work":
        asyncio.run(work(100))
    elif sys.argv[1] == "install":
        asyncio.run(install())
    else:
        made = Producer()
        producer.start(made.put, prepare=made.prepare)
