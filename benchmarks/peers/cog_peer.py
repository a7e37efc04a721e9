from __future__ import annotations

import job
from cog import BasePredictor, Input


class OneAtATime(BasePredictor):
    def predict(
        self, n: int = Input(default=0), ms: int = Input(default=0), more: str = Input(default="")
    ) -> int:
        return job.run({"n": n, "ms": ms})["n"]


class Many(BasePredictor):
    async def predict(
        self, n: int = Input(default=0), ms: int = Input(default=0), more: str = Input(default="")
    ) -> int:
        return job.run({"n": n, "ms": ms})["n"]
