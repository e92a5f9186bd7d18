"""Which client the operator should use: memory and latency of server-side apply on a real API server.

Run by hand, with KUBECONFIG set: `python tests/bench/api_client.py`. Each client runs in a process of its own that
has imported kopf, as the operator has. A client that is not installed is left out.
"""

import asyncio
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

APPLIES = 300
NAMESPACE = "default"
Apply = Callable[[dict[str, Any]], Awaitable[Any]]


async def ours() -> Apply:
    from afina_operator.cluster import HttpCluster
    from afina_operator.credentials import Credentials

    cluster = HttpCluster(Credentials(), may_write=lambda: True)
    return cluster.apply


async def lightkube() -> Apply:
    from lightkube import AsyncClient
    from lightkube.resources.core_v1 import ConfigMap

    client = AsyncClient(field_manager="bench")
    return lambda obj: client.apply(ConfigMap.from_dict(obj), force=True)


async def kubernetes_asyncio() -> Apply:
    from kubernetes_asyncio import client, config  # type: ignore[import-not-found, unused-ignore]

    await config.load_kube_config()
    api = client.CoreV1Api()
    return lambda obj: api.patch_namespaced_config_map(
        obj["metadata"]["name"],
        NAMESPACE,
        obj,
        field_manager="bench",
        force=True,
        _content_type="application/apply-patch+yaml",
    )


CLIENTS = {"ours": "aiohttp", "lightkube": "lightkube", "kubernetes_asyncio": "kubernetes_asyncio"}


def config_map(name: str, turn: int) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"turn": str(turn), "x": "y" * 2000}}


def resident_mib() -> float:
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


async def measure(name: str) -> dict[str, float]:
    started = time.perf_counter()
    apply = await globals()[name]()
    await apply(config_map(f"bench-{name.replace('_', '-')}", -1))
    ready = time.perf_counter() - started
    times = []
    for turn in range(APPLIES):
        started = time.perf_counter()
        await apply(config_map(f"bench-{name.replace('_', '-')}", turn))
        times.append((time.perf_counter() - started) * 1000)
    cuts = statistics.quantiles(times, n=20)
    return {
        "p50_ms": cuts[9],
        "p95_ms": cuts[18],
        "cpu_s": time.process_time(),
        "mib": resident_mib(),
        "ready_s": ready,
    }


def main() -> None:
    if len(sys.argv) > 1:
        import kopf  # noqa: F401 - weighed with every client

        print(json.dumps(asyncio.run(measure(sys.argv[1]))))
        return
    print(f"{'client':20}{'p50 ms':>9}{'p95 ms':>9}{'CPU s':>9}{'MiB':>9}{'ready s':>9}")
    for name in (name for name, module in CLIENTS.items() if importlib.util.find_spec(module)):
        command = [sys.executable, __file__, name]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{name:20}" + "".join(f"{value:9.2f}" for value in found.values()))


if __name__ == "__main__":
    main()
