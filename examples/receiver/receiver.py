"""A receiver of webhooks that has the end of every job exactly once, whatever was down meanwhile."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request as Ask
from urllib.request import urlopen

import uvicorn
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

TABLES = """
CREATE TABLE IF NOT EXISTS finished (id TEXT PRIMARY KEY, job TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS place (endpoint TEXT PRIMARY KEY, cursor TEXT NOT NULL);
"""
#: Seconds before a server that does not answer, or not as it should, is asked again.
PAUSE = 2.0
#: What a job that has ended is. Webhooks that tell of a running one have another status.
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")


class Finished:
    """The jobs that have ended. The id of an end is the same in each webhook and in `/events`."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.executescript(TABLES)
        self._lock = threading.Lock()

    def keep(self, ends: Iterable[tuple[str, str]], place: tuple[str, str] | None = None) -> None:
        """Store what is new of these ids and jobs, and how far `/events` was read, at one go."""
        with self._lock, self._db:
            for id, job in ends:
                row = self._db.execute("INSERT OR IGNORE INTO finished VALUES (?, ?)", (id, job))
                if row.rowcount:
                    print(f"{id} is new: {json.loads(job)['status']}", flush=True)
            if place:
                self._db.execute("INSERT OR REPLACE INTO place VALUES (?, ?)", place)

    def cursor(self, endpoint: str) -> str:
        """Where to go on reading `/events`; empty to begin with the oldest."""
        with self._lock:
            row = self._db.execute("SELECT cursor FROM place WHERE endpoint = ?", (endpoint,)).fetchone()
        return row[0] if row else ""


def application(finished: Finished, secret: str, catch_up: CatchUp) -> Starlette:
    """`POST /webhook`: 401 for what the secret has not signed, 200 for what is stored."""
    signed = Webhook(secret)

    async def webhook(request: Request) -> Response:
        body = await request.body()
        try:
            signed.verify(body, dict(request.headers))
        except (WebhookVerificationError, ValueError):  # the latter for what is no signature at all
            return PlainTextResponse("the signature is not right", 401)
        # The body is signed; the header `workerkit-event` is not, so nothing hangs on it.
        if json.loads(body)["status"] in ENDED:
            end = (request.headers["webhook-id"], body.decode())
            await run_in_threadpool(finished.keep, [end])
        return PlainTextResponse("stored")  # not before: whoever says 200 gets it no second time

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(catch_up.run())
        yield
        task.cancel()

    return Starlette(routes=[Route("/webhook", webhook, methods=["POST"])], lifespan=lifespan)


class Refused(Exception):
    """The server has understood, and will not answer otherwise the next time."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class CatchUp:
    """Reads, page by page, what has ended since the last time."""

    def __init__(
        self, finished: Finished, server: str, endpoint: str, key: str, pause: float = PAUSE
    ) -> None:
        self._finished = finished
        self._pause = pause
        self._server, self._endpoint, self._key = server, endpoint, key

    async def run(self) -> None:
        """Until there is no more. Whatever may pass is waited for, and a refusal ends it."""
        more = True
        while more:
            try:
                more = await run_in_threadpool(self._take)
            except Refused as refusal:
                print(f"/events: {refusal}", file=sys.stderr, flush=True)
                if refusal.code != "bad_cursor":
                    return
                print("beginning with the oldest; what is there is not stored again", flush=True)
                await run_in_threadpool(self._finished.keep, [], (self._endpoint, ""))
            except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
                # Down, cut off in the middle, 5xx, or a proxy's page in place of the answer.
                print(f"no events from {self._server}, asking again: {error!r}", file=sys.stderr, flush=True)
                await asyncio.sleep(self._pause)
        print("caught up", flush=True)

    def _take(self) -> bool:
        """Store one page; whether there is another."""
        page = self._page()
        ends = [(event["id"], json.dumps(event["job"])) for event in page["events"]]
        self._finished.keep(ends, (self._endpoint, page["cursor"]))
        return bool(page["more"])

    def _page(self) -> Any:
        query = urlencode({"after": self._finished.cursor(self._endpoint), "limit": 500})
        ask = Ask(f"{self._server}/v2/{self._endpoint}/events?{query}")
        if self._key:
            ask.add_header("Authorization", f"Bearer {self._key}")
        try:
            with urlopen(ask, timeout=30) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                if not 400 <= error.code < 500 or error.code == 429:
                    raise
                refusal = json.load(error)
                raise Refused(refusal["code"], refusal["error"]) from error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="http://127.0.0.1:8000", help="where workerkit serves")
    parser.add_argument("--endpoint", default="hello", help="the function whose jobs are received")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--database", default="finished.db")
    given = parser.parse_args()
    secret = os.environ.get("WEBHOOK_SECRET")
    if not secret:
        sys.exit("set WEBHOOK_SECRET to what `workerkit webhook secret` prints")

    finished = Finished(given.database)
    catch_up = CatchUp(finished, given.server, given.endpoint, os.environ.get("WEBHOOK_API_KEY", ""))
    # It listens before it catches up, so that no job ends between the two.
    listening = socket.create_server(("127.0.0.1", given.port))
    print(f"receiving at http://127.0.0.1:{listening.getsockname()[1]}/webhook", flush=True)
    app = application(finished, secret, catch_up)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listening])


if __name__ == "__main__":
    main()
