from __future__ import annotations

import job
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


async def runsync(request):
    output = job.run((await request.json())["input"])
    return JSONResponse({"id": "x", "status": "COMPLETED", "output": output})


app = Starlette(routes=[Route("/runsync", runsync, methods=["POST"])])
