"""What tests put between the driver and the files of the world: web servers that misbehave, and broken lines."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType

Answer = Callable[[BaseHTTPRequestHandler], None]


class WebServer:
    """A web server on this machine: each path has its answer."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        """The paths of all requests, with their queries."""
        self.hosts: list[str] = []
        """Their Host headers."""
        self.closing = threading.Event()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                web.asked.append(self.path)
                web.hosts.append(self.headers.get("Host", ""))
                self.close_connection = True
                with contextlib.suppress(OSError):  # whoever asked may have gone
                    web.answers.get(self.path.partition("?")[0], status(404))(self)

            def end_headers(self) -> None:
                # Said, and not only done: else clients ask again on a connection that is about to end.
                self.send_header("Connection", "close")
                super().end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer((address, port), Handler)
        self.port: int = self._server.server_address[1]
        self.host = f"{address}:{self.port}"
        self.url = f"http://{self.host}"

    @contextlib.contextmanager
    def serving(self) -> Iterator["WebServer"]:
        """Answer for as long as the block lasts."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()


def body(
    content: bytes, *, code: int = 200, length: int | None = None, headers: Mapping[str, str] = MappingProxyType({})
) -> Answer:
    """That content, and a Content-Length that may be wrong."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)

    return answer


def status(code: int) -> Answer:
    """A status without a body."""
    return body(b"", code=code)


def redirect(to: str, code: int = 302) -> Answer:
    """A redirect."""
    return body(b"", code=code, headers={"Location": to})


def pieces(content: Iterator[bytes], *, chunked: bool = True) -> Answer:
    """200 with a body of unknown length, in the pieces in which they come."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        if chunked:
            request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        for piece in content:
            request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            request.wfile.write(b"0\r\n\r\n")

    return answer


class Line:
    """A line to a server that can be cut or go dumb after so many bytes of an answer."""

    def __init__(self, to: str) -> None:
        host, _, port = to.rpartition(":")
        self._to = host, int(port)
        self.cut_after: list[int] = []
        """Of each connection to come; those that come later are whole."""
        self.dumb_after: list[int] = []
        """Likewise."""
        self.pause_seconds = 0.0
        """Before each piece of an answer."""
        self.connections = 0
        self._near: list[socket.socket] = []
        self._is_down = False
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.host}"
        self._threads = [threading.Thread(target=self._accept)]

    @contextlib.contextmanager
    def open(self) -> Iterator["Line"]:
        """Pass on what comes for as long as the block lasts."""
        self._threads[0].start()
        try:
            yield self
        finally:
            self._closing.set()
            self.down()
            socket.create_connection(self._listener.getsockname()).close()
            for thread in self._threads:
                thread.join()
            self._listener.close()

    def down(self) -> None:
        """Break every connection, and take no more."""
        self._is_down = True
        for near in self._near:
            with contextlib.suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)

    def up(self) -> None:
        """Take connections again."""
        self._is_down = False

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if self._closing.is_set():
                near.close()
                return
            if self._is_down:
                near.close()
                continue
            self.connections += 1
            self._near.append(near)
            cut = self.cut_after.pop(0) if self.cut_after else None
            dumb = self.dumb_after.pop(0) if self.dumb_after else None
            far = socket.create_connection(self._to)
            ways = (self._ask, (near, far)), (self._answer, (far, near, cut, dumb))
            for way, arguments in ways:
                thread = threading.Thread(target=way, args=arguments)
                self._threads.append(thread)
                thread.start()

    def _ask(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := near.recv(1 << 16):
                far.sendall(piece)
        with contextlib.suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)

    def _answer(self, far: socket.socket, near: socket.socket, cut: int | None, dumb: int | None) -> None:
        passed = 0
        limit = cut if dumb is None else dumb
        with contextlib.suppress(OSError), far, near:
            while piece := far.recv(1 << 16):
                self._closing.wait(self.pause_seconds)
                kept = piece if limit is None else piece[: limit - passed]
                near.sendall(kept)
                passed += len(kept)
                if limit is not None and passed >= limit:
                    break
            if dumb is not None:
                self._closing.wait()
            near.shutdown(socket.SHUT_RDWR)
