"""The model server next to bare uvicorn, plain Ray Serve and MLServer, and behind proxies.

Latency, throughput, start and memory. Run by hand: `make bench-serving`. Every server is on this machine and one
process, with no worker beside it, but for Ray's and TorchServe, which have one. One client with a connection that it
keeps asks them in turn, a few requests each, so that what else the machine does meets all alike; then many clients ask
each at once. MLServer has the very file of our XGBoost model.

The no-op is a graph of ONNX that says the number that it is asked about, as `afina admit` lets it be served: what it
takes is the server's own time and a call of ONNX Runtime. Two bare uvicorns get the same request, with the loop and the
parser that ours has. One sends the bytes back. The other does the JSON of it: it reads the rows and writes an answer of
the form of ours, by Python's json. Neither checks a request, or counts, or has a limit; ours does all that the product
does, but for the prediction log, which is off unless asked for.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import pandas as pd
import uvloop
from onnx.helper import make_node

from afina_api.serving import RuntimeName
from afina_jobs.admission.admit import write
from afina_jobs.admission.plain import FLAVORS, Plain, read
from afina_jobs.automl.export import Uncertainty
from afina_models.digest import FILES
from support.graphs import ANY, a_graph, values
from support.model_servers import an_environment
from support.models import a_regressor, exported
from support.servers import free_port, process_tree

FEATURES = [f"x{number}" for number in range(30)]
TREES = 100
TURN, WARM_UP = 10, 300
"""Requests that a server gets in a turn, and those before its figures count."""
CLIENTS, ROUNDS, ROUND_SECONDS = 32, 3, 2.0
_START_SECONDS = 120
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """What is asked."""

    name: str
    path: str
    body: bytes

    def encoded(self) -> bytes:
        head = f"POST {self.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body


@dataclass(frozen=True)
class Peer:
    """How a server is started, and what it is asked."""

    name: str
    command: Sequence[str]
    port: int
    requests: Sequence[Request]
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


@dataclass(frozen=True)
class Started:
    """A server that answers."""

    seconds: float
    """Until its first answer."""
    pid: int

    def memory_mib(self) -> float:
        """Of all its processes; what some of them share counts once."""
        return float(sum(process.memory_full_info().pss for process in process_tree(self.pid)) / 2**20)

    def processor_seconds(self) -> float:
        """Of all its processes until now."""
        return float(sum(sum(process.cpu_times()[:2]) for process in process_tree(self.pid)))


Asked = tuple[Peer, Started, Request]


class Client:
    """A connection that is kept."""

    def __init__(self, port: int, request: Request) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request.encoded()

    def ask(self) -> float:
        """Seconds until the whole answer is there."""
        answer = b""
        began = time.perf_counter()
        self._socket.sendall(self._request)
        while not is_whole(answer):
            part = self._socket.recv(65_536)
            if not part:
                raise ConnectionError("the server has closed the connection")
            answer += part
        return time.perf_counter() - began


class Caller(asyncio.Protocol):
    """A client that asks again as soon as it is answered, and counts."""

    def __init__(self, request: Request) -> None:
        self._request = request.encoded()
        self._answer = b""
        self.answered = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if is_whole(self._answer):
            self._answer = b""
            self.answered += 1
            self.transport.write(self._request)


def is_whole(answer: bytes) -> bool:
    """Whether an answer has come to its end. Only answers of 200 count."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise ValueError(answer.decode())
    length = _LENGTH.search(head)
    return length is not None and len(body) >= int(length[1])


async def throughput(asked: Asked) -> tuple[float, float]:
    """Answers a second to many clients, and processor time of each in milliseconds."""
    peer, started, request = asked
    loop = asyncio.get_running_loop()
    connections = [loop.create_connection(lambda: Caller(request), "127.0.0.1", peer.port) for _ in range(CLIENTS)]
    callers = [caller for _, caller in await asyncio.gather(*connections)]
    began, busy, before = time.perf_counter(), started.processor_seconds(), sum(caller.answered for caller in callers)
    await asyncio.sleep(ROUND_SECONDS)
    answered = sum(caller.answered for caller in callers) - before
    seconds, busy = time.perf_counter() - began, started.processor_seconds() - busy
    for caller in callers:
        caller.transport.close()
    return answered / seconds, 1000 * busy / answered


@contextmanager
def running(peer: Peer, log: Path) -> Iterator[Started]:
    """A server, from its first answer."""
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(peer.command, env=peer.env, stdout=output, stderr=output)
    try:
        while True:
            if process.poll() is not None or time.perf_counter() - began > _START_SECONDS:
                raise RuntimeError(f"{peer.name} does not answer: {log.read_text()[-2000:]}")
            try:
                Client(peer.port, peer.requests[0]).ask()
            except (OSError, ValueError):
                time.sleep(0.02)
            else:
                break
        yield Started(time.perf_counter() - began, process.pid)
    finally:
        # What it has started ends with it if it is told to end.
        process.terminate()
        process.wait()


def tensors(values: Sequence[float]) -> Request:
    """One row, as the Open Inference Protocol has it."""
    tensor = {"name": "rows", "shape": [1, len(values)], "datatype": "FP64", "data": list(values)}
    return Request("infer", "/v2/models/houses/infer", json.dumps({"inputs": [tensor]}).encode())


def rows(values: Mapping[str, float]) -> Request:
    """The same as JSON."""
    return Request("predict", "/predict", json.dumps({"rows": [values]}).encode())


def a_no_op(folder: Path) -> str:
    """Admit a graph that says the number that it is given, and 0 where there is none; its digest."""
    nodes = [make_node("IsNaN", ["x"], ["missing"]), make_node("Where", ["missing", "zero", "x"], ["y"])]
    zero = {"zero": np.zeros(1, np.float32)}
    graph = a_graph(nodes, values("y", ANY, 1), inputs=[values("x", ANY, 1)], constants=zero)
    (folder / "model").mkdir()
    onnx.save(graph, folder / "no-op.onnx")
    plain = Plain(FLAVORS["onnx"], "no-op.onnx", "", {"x": "Numeric"})
    return write(plain, read(plain, folder / "no-op.onnx"), (), folder / "work", folder / "model" / FILES).digest


def an_xgboost_model(folder: Path) -> str:
    """Export a classifier of 30 numbers; its digest."""
    random = np.random.default_rng(0)
    values = random.normal(size=(2000, len(FEATURES)))
    target = (values @ random.normal(size=len(FEATURES)) > 0).astype(int)
    types = dict.fromkeys(FEATURES, "Numeric")
    frame = pd.DataFrame(values, columns=FEATURES)
    return exported(folder, frame, target, types, ["XGBoost"], ("no", "yes"), Uncertainty(doubt=0.9), rounds=TREES)


def peers(folder: Path, mlserver: Path, traefik: Path) -> list[Peer]:
    """All servers."""
    row = np.random.default_rng(1).normal(size=len(FEATURES)).round(6).tolist()
    in_json, in_tensors = rows(dict(zip(FEATURES, row, strict=True))), tensors(row)
    one = rows({"x": 1.5})
    found = [
        _bare("bare uvicorn", "app", "uvloop", "httptools", one),
        _bare("bare uvicorn with JSON", "with_json", "uvloop", "httptools", one),
        _bare("bare uvicorn in Python", "app", "asyncio", "h11", one),
    ]
    for name, make, runtimes, asked in (
        ("ours, no-op", a_no_op, get_args(RuntimeName), [one, tensors([1.5])]),
        ("ours, linear of 3", a_regressor, ["Uvicorn"], [rows({"a": 1.5, "b": 0.5, "c": -1.5})]),
        ("ours, XGBoost", an_xgboost_model, get_args(RuntimeName), [in_json, in_tensors]),
    ):
        (folder / name).mkdir()
        digest = make(folder / name)
        found += [_ours(name, folder / name, digest, runtime, asked) for runtime in runtimes]
    (trees,) = (folder / "ours, XGBoost" / "model" / FILES).glob("**/*.ubj")
    found.append(_mlserver(folder / "mlserver", mlserver, trees, in_tensors))
    found.append(_ray(one))
    no_op = next(peer for peer in found if peer.name == "ours, no-op")
    return [*found, _traefik(folder, traefik, no_op), _haproxy(folder, no_op)]


def _ours(name: str, folder: Path, digest: str, runtime: str, asked: Sequence[Request]) -> Peer:
    port = free_port()
    env = an_environment(folder, digest, port, AFINA_RUNTIME=runtime)
    by = "" if runtime == "Uvicorn" else f" by {runtime}"
    return Peer(name + by, [sys.executable, "-m", "afina_serving"], port, asked, env)


def _bare(name: str, app: str, loop: str, http: str, request: Request) -> Peer:
    port, place = free_port(), f"--app-dir={Path(__file__).parent}"
    command = [sys.executable, "-m", "uvicorn", f"echo_app:{app}", place, f"--port={port}"]
    quiet = ["--no-access-log", "--log-level=warning"]
    return Peer(name, [*command, f"--loop={loop}", f"--http={http}", *quiet], port, [request])


def _mlserver(folder: Path, environment: Path, trees: Path, request: Request) -> Peer:
    folder.mkdir()
    shutil.copy(trees, folder / "model.ubj")
    port, grpc, metrics = free_port(), free_port(), free_port()
    ports = {"http_port": port, "grpc_port": grpc, "metrics_port": metrics}
    (folder / "settings.json").write_text(json.dumps(ports | {"parallel_workers": 0, "debug": False}))
    model = {"name": "houses", "implementation": "mlserver_xgboost.XGBoostModel"}
    (folder / "model-settings.json").write_text(json.dumps(model | {"parameters": {"uri": "./model.ubj"}}))
    command = [str(environment / "bin/mlserver"), "start", str(folder)]
    # As ours has it: two threads of XGBoost on a busy machine wait for each other.
    return Peer("MLServer, XGBoost", command, port, [request], {**os.environ, "OMP_NUM_THREADS": "1"})


def _ray(request: Request) -> Peer:
    port = free_port()
    return Peer(
        "plain Ray Serve", [sys.executable, str(Path(__file__).with_name("ray_echo.py")), str(port)], port, [request]
    )


def _traefik(folder: Path, program: Path, behind: Peer) -> Peer:
    port = free_port()
    servers = {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{behind.port}"}]}}
    all_ = {"rule": "PathPrefix(`/`)", "service": "model", "entryPoints": ["web"]}
    (folder / "traefik.json").write_text(
        json.dumps({"http": {"routers": {"all": all_}, "services": {"model": servers}}})
    )
    command = [str(program), f"--entryPoints.web.address=127.0.0.1:{port}"]
    command += [f"--providers.file.filename={folder / 'traefik.json'}", "--log.level=ERROR"]
    return Peer(f"{behind.name}, through Traefik", command, port, behind.requests)


_HAPROXY = """\
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend web
  bind 127.0.0.1:{port}
  default_backend model
backend model
  server only 127.0.0.1:{behind}
"""


def _haproxy(folder: Path, behind: Peer) -> Peer:
    program, port = shutil.which("haproxy"), free_port()
    if program is None:
        sys.exit("haproxy is not there: apt-get install haproxy")
    (folder / "haproxy.cfg").write_text(_HAPROXY.format(port=port, behind=behind.port))
    command = [program, "-db", "-q", "-f", str(folder / "haproxy.cfg")]
    return Peer(f"{behind.name}, through HAProxy", command, port, behind.requests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mlserver", type=Path, help="virtual environment with MLServer")
    parser.add_argument("traefik", type=Path, help="the program")
    parser.add_argument("--requests", type=int, default=2000, help="of each (default: 2000)")
    parser.add_argument("--only", default="", help="servers whose name matches this regular expression (default: all)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        servers = [
            (peer, stack.enter_context(running(peer, folder / f"{number}.log")))
            for number, peer in enumerate(peers(folder, arguments.mlserver, arguments.traefik))
            if re.search(arguments.only, peer.name)
        ]
        asked = [(peer, started, request) for peer, started in servers for request in peer.requests]
        _latencies(asked, arguments.requests)
        _throughputs(asked)
        print("\n| | first answer after | MiB |\n| --- | --- | --- |")
        for peer, started in servers:
            print(f"| {peer.name} | {started.seconds:.1f} s | {started.memory_mib():.0f} |")


def _latencies(asked: Sequence[Asked], requests: int) -> None:
    clients = [Client(peer.port, request) for peer, _, request in asked]
    found: list[list[float]] = [[] for _ in clients]
    for _ in range((WARM_UP + requests) // TURN):
        for client, seconds in zip(clients, found, strict=True):
            seconds += [client.ask() for _ in range(TURN)]
    print(f"One client, {requests} requests each\n\n| | p50 ms | p95 ms | p99 ms | p50 to the first | to the second |")
    print("| --- " * 6 + "|")
    quantiles = [np.quantile(seconds[WARM_UP:], (0.5, 0.95, 0.99)) * 1000 for seconds in found]
    for (peer, _, request), (p50, p95, p99) in zip(asked, quantiles, strict=True):
        ratios = " | ".join(f"{p50 / first:.2f}" for first, *_ in quantiles[:2])
        print(f"| {peer.name}, {request.name} | {p50:.2f} | {p95:.2f} | {p99:.2f} | {ratios} |")


def _throughputs(asked: Sequence[Asked]) -> None:
    rounds = [[uvloop.run(throughput(one)) for one in asked] for _ in range(ROUNDS)]
    print(f"\n{CLIENTS} clients at once\n\n| | answers a second | processor ms each |\n| --- | --- | --- |")
    for (peer, _, request), (rate, busy) in zip(asked, np.median(rounds, axis=0), strict=True):
        print(f"| {peer.name}, {request.name} | {rate:.0f} | {busy:.2f} |")


if __name__ == "__main__":
    main()
