"""Puts the operator together and runs it until it is told to stop, or must."""

import asyncio
import logging
import os
import signal
import socket
import uuid
from collections.abc import Coroutine
from typing import Any

from afina_operator import logs, metrics, probes, watches
from afina_operator.audit import Audit
from afina_operator.automljob.objects import KIND as AUTOML_JOB
from afina_operator.cluster import HttpCluster
from afina_operator.credentials import Credentials
from afina_operator.dataset.objects import KIND as DATASET
from afina_operator.driver.handlers import controller
from afina_operator.driver.handlers import watches as watches_of
from afina_operator.errors import ClusterError, NotFoundError
from afina_operator.lease import Lease, LeaseLostError
from afina_operator.modeldeployment import handlers as modeldeployment
from afina_operator.modeldeployment.observe import Observer
from afina_operator.modeldeployment.prometheus import Prometheus
from afina_operator.registry import MlflowRegistry
from afina_operator.resources import Ref
from afina_operator.settings import Settings
from afina_operator.tuningjob.objects import KIND as TUNING_JOB
from afina_operator.workers import Workers
from afina_operator.workqueue import WorkQueue

log = logging.getLogger(__name__)

_KINDS = (TUNING_JOB, DATASET, AUTOML_JOB)
_RETRY_SECONDS = 5.0
_SHUTDOWN_SECONDS = 10.0


def main() -> None:
    """Run the operator; the exit code is 0 if a signal ended it."""
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    # Not uvloop: reconnecting to an API server that has just died, its sockets can trip over each other's numbers
    # ("File descriptor 15 is used by transport"), which ends kopf.
    code = asyncio.new_event_loop().run_until_complete(Operator(settings).run())
    logging.shutdown()
    # Nor asyncio.run: in the end it waits for every task, and kopf may leave some that ignore their cancellation.
    os._exit(code)


class Operator:
    """The parts of a running operator. To be made and run in one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Wait for the lease, then work.

        Returns:
            The exit code of the process.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        cluster = HttpCluster(Credentials(), may_write=lambda: lease.may_write())
        identity = f"{socket.gethostname()}_{self._settings.pod_uid or uuid.uuid4()}"
        lease = Lease(cluster, self._settings.namespace, identity)
        metrics.LEASE_HELD.set_function(lease.may_write)
        try:
            return await self._run(cluster, lease)
        finally:
            await lease.release()
            await cluster.close()

    async def _run(self, cluster: HttpCluster, lease: Lease) -> int:
        settings, queue = self._settings, WorkQueue[Ref]()
        watched = (*watches_of(_KINDS), *modeldeployment.watches())
        audit = Audit(watched, settings.watch_namespaces, cluster.list_metadata, queue.add)
        observer = Observer(MlflowRegistry(settings.mlflow_tracking_uri), Prometheus(settings.prometheus_url))
        deployments = modeldeployment.controller(observer, settings)
        controllers = {kind.resource: controller(kind, settings) for kind in _KINDS}
        workers = Workers({**controllers, deployments.resource: deployments}, cluster, queue)
        server = await probes.serve(settings.port, audit.stale, lease.may_write)
        try:
            if not await self._first(lease.acquire()):
                return 0
            if not await self._first(self._wait_for_kinds(cluster, audit)):
                return 0
            # kopf comes last: when it ends, it ends every task that is younger than itself.
            # It takes the signals over when it starts; one that came just before is ours.
            return await self._until_one_ends(
                self._stop.wait(),
                lease.keep(),
                workers.run(settings.workers),
                audit.run(),
                watches.run(watched, settings.watch_namespaces, audit.notice),
            )
        finally:
            await server.cleanup()

    async def _first(self, step: Coroutine[Any, Any, None]) -> bool:
        """Do the step; False if the signal to stop comes before its end."""
        tasks = [asyncio.create_task(step), asyncio.create_task(self._stop.wait())]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if tasks[0] in done:
            tasks[0].result()
        return tasks[0] in done

    async def _wait_for_kinds(self, cluster: HttpCluster, audit: Audit) -> None:
        """Wait for the CRDs: kopf does not notice kinds that come after its start."""
        while True:
            try:
                await audit.once()
            except NotFoundError:
                log.warning("the CRDs of afina.dev are not installed: waits for them")
            except ClusterError as error:
                log.warning("waits for the API server: %s", error)
            else:
                return
            await asyncio.sleep(_RETRY_SECONDS)

    async def _until_one_ends(self, *parts: Coroutine[Any, Any, object]) -> int:
        tasks = [asyncio.create_task(part) for part in parts]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_SHUTDOWN_SECONDS)
        for task in done:
            try:
                task.result()
            except LeaseLostError as error:
                log.error("stops: the lease is lost: %s", error)
                return 1
            except Exception:
                log.exception("stops: a part of the operator has failed")
                return 1
        log.info("stopped")
        return 0
