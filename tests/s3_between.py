"""What stands between a client and an S3 server, and holds requests back or cuts answers as a test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from s3_servers import S3Service

#: Is told of each request's operation before the server gets it; the request waits meanwhile.
Before = Callable[[str], object]
#: Is told of each answer's operation and body, and says what of the body is passed on; less ends the connection.
Passed = Callable[[str, bytes], bytes]
#: Seconds that a request is held at most.
HELD = 30.0


@contextmanager
def between(
    service: S3Service, before: Before, passed: Passed = lambda operation, body: body
) -> Iterator[str]:
    """The URL at which the server is reached through it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            before(_operation(self.command, self.path))
            with closing(HTTPConnection("127.0.0.1", service.port, timeout=HELD)) as server:
                server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() != "expect":
                        server.putheader(name, value)
                server.endheaders(body)
                answer = server.getresponse()
                data = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(data)))
            self.end_headers()
            part = passed(_operation(self.command, self.path), data)
            self.wfile.write(part)
            self.close_connection = self.close_connection or len(part) < len(data)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                return  # the client did not wait

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _operation(method: str, path: str) -> str:
    query = path.partition("?")[2]
    match method:
        case "POST":
            return "begin" if "uploadId" not in query else "complete"
        case "PUT" if "partNumber" in query:
            return "part"
        case "DELETE" if "uploadId" in query:
            return "abort"
        case "GET" if "uploads" in query:
            return "list uploads"
    return method
