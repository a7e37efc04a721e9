from __future__ import annotations

import os

import job
import producer
from huey import SqliteHuey

huey = SqliteHuey(
    "bench", filename=f"{os.environ['BENCH_FOLDER']}/huey.db", fsync=os.environ["BENCH_FSYNC"] == "yes"
)


@huey.task()
def noop(input):
    return job.run(input)


if __name__ == "__main__":
    import huey_peer  # tasks go by the name of their module, which the consumer imports

    producer.start(
        lambda value: huey_peer.noop(value).id,
        lambda task: huey_peer.huey.result(task, blocking=True, timeout=10),
    )
