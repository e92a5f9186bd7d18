"""The process in which Ray and Tune run, started by the driver as `python -m afina_jobs.raytune.runner FD`.

Tune decides nothing here. What to run next it asks our searcher, and whether to go on our scheduler; both pass the
question to the driver, whose study is the one truth. Tune places the trials on the nodes, keeps their actors for the
next trial, and sees which are lost.
"""

import json
import logging
import math
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from afina_api.tuningjob import TuningJob
from afina_jobs.objectives.base import InvalidObjectiveError
from afina_jobs.raytune.actor import Trial, slot
from afina_jobs.raytune.order import MESSAGE, PARCEL, Message, checkpoint_lost
from afina_jobs.raytune.parcel import Parcel

_JOIN_SECONDS = 5.0
_OBJECT_STORE_BYTES = 100 * 2**20
_SOON_SECONDS = 0.05


def main() -> None:
    """Run trials until the driver hangs up."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    # Never closed: a thread reads to the end, and whoever closes what another reads waits for ever.
    driver = Driver(connection.makefile("r"), connection.makefile("w"))
    order = driver.order()
    job = TuningJob.model_validate(order["job"])
    _start_ray(job, order["address"])
    resources = _resources(job)
    if problem := _problem_of_objective(order, resources):
        driver.tell({"invalid": problem})
        return
    driver.tell({"ready": True})
    threading.Thread(target=driver.listen, daemon=True).start()
    _tune(driver, order, resources)


def _start_ray(job: TuningJob, address: str) -> None:
    if address:
        _join(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
        return
    count, gpu = job.spec.budget.parallel_trials, job.spec.trial.resources.gpu
    ray.init(
        num_cpus=count,
        num_gpus=math.ceil(gpu * count),
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level=logging.WARNING,
    )


def _join(address: str) -> None:
    """Make this pod a node of the cluster that runs nothing; waits until there is a head."""
    command = [sys.executable, "-m", "ray.scripts.scripts"]
    own = ["--num-cpus=0", "--num-gpus=0", f"--object-store-memory={_OBJECT_STORE_BYTES}", "--disable-usage-stats"]
    # A node that an earlier process of this pod made belongs to a head that is gone.
    subprocess.run([*command, "stop", "--force"], check=False)
    while subprocess.run([*command, "start", f"--address={address}", *own], check=False).returncode:
        time.sleep(_JOIN_SECONDS)


def _resources(job: TuningJob) -> dict[str, float]:
    """What one trial takes of a node: one of its slots, which Ray calls a CPU, and its GPUs."""
    gpu = job.spec.trial.resources.gpu
    return {"CPU": 1.0} | ({"GPU": gpu} if gpu else {})


def _problem_of_objective(order: Message, resources: Mapping[str, float]) -> str:
    """Why the objective cannot be loaded, tried on a node that runs trials; empty if it can."""
    check = ray.remote(num_cpus=resources["CPU"], num_gpus=resources.get("GPU", 0))(_check)
    found: str = ray.get(check.remote(order))
    return found


def _check(order: Message) -> str:
    import asyncio

    async def prepare() -> str:
        with tempfile.TemporaryDirectory() as folder:
            one = slot(order, Path(folder))
            try:
                await one.prepare()
            except InvalidObjectiveError as error:
                return str(error)
            finally:
                await one.close()
        return ""

    return asyncio.run(prepare())


class Driver:
    """The connection with the driver."""

    def __init__(self, requests: TextIO, replies: TextIO) -> None:
        self._requests = requests
        self._replies = replies
        self.proposals: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        """What is to be run; None when the driver has hung up."""
        self._decisions: dict[int, queue.SimpleQueue[bool]] = defaultdict(queue.SimpleQueue)
        self.gone = threading.Event()

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Tune writes all that it is given into a file, which nobody reads."""
        return type(None), ()

    def order(self) -> Message:
        """The first message: what to run trials of."""
        found: Message = json.loads(self._requests.readline())
        return found

    def tell(self, message: Message) -> None:
        """Send a message."""
        self._replies.write(json.dumps(message) + "\n")
        self._replies.flush()

    def listen(self) -> None:
        """Take messages until the driver hangs up."""
        for line in self._requests:
            message = json.loads(line)
            if "evaluate" in message:
                self.proposals.put(message)
            else:
                self._decisions[message["decide"]].put(message["stop"])
        logging.disable()  # Tune will complain of every trial that it must end
        self.gone.set()
        self.proposals.put(None)

    def stops(self, number: int) -> bool:
        """Wait for the decision on what a trial has reported: whether it ends."""
        while not self.gone.is_set():
            try:
                return self._decisions[number].get(timeout=1)
            except queue.Empty:
                continue
        return True


class Proposals(Searcher):
    """Asks the driver what to run next."""

    def __init__(self, driver: Driver, checkpoints: Path) -> None:
        super().__init__()
        self._driver = driver
        self._checkpoints = checkpoints
        self._running = set[str]()

    def suggest(self, trial_id: str) -> Any:
        """The next proposal. While trials run, Tune has others to look after; else there is nothing to do but wait."""
        try:
            found = self._driver.proposals.get(timeout=_SOON_SECONDS if self._running else None)
        except queue.Empty:
            return None
        if found is None:
            return str(Searcher.FINISHED)
        self._running.add(trial_id)
        folder = self._checkpoints / str(found["evaluate"])
        checkpoint = ray.put(Parcel(folder).pack()) if folder.exists() else None
        return {"number": found["evaluate"], "params": found["params"], PARCEL: checkpoint}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """It runs no longer."""
        self._running.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the driver's study has it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""


class Relay(FIFOScheduler):
    """Tells the driver what trials have told, and asks it whether they go on."""

    def __init__(self, driver: Driver, checkpoints: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._driver = driver
        self._checkpoints = checkpoints

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Pass on what a trial that goes on has told."""
        number, told = trial.config["number"], json.loads(result[MESSAGE])
        try:
            self._keep(number, result)
        except OSError as error:
            told.setdefault("lines", []).append(f"trial {number} | its checkpoint cannot be kept: {error}")
        if told:
            self._driver.tell({"number": number, **told})
        stops = "step" in told and self._driver.stops(number)
        return str(TrialScheduler.STOP if stops else TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Pass on how it ended, unless it was stopped."""
        told = json.loads(result.get(MESSAGE, "{}"))
        if "outcome" in told:
            try:
                self._keep(trial.config["number"], result)
            except OSError as error:
                told["outcome"] = checkpoint_lost(error)
            self._driver.tell({"number": trial.config["number"], **told})

    def _keep(self, number: int, result: Mapping[str, Any]) -> None:
        if result[PARCEL] is not None:
            Parcel(self._checkpoints / str(number)).unpack(result[PARCEL])

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Its actor has died."""
        error = Path(trial.error_file).read_text() if trial.error_file else ""
        self._driver.tell({"number": trial.config["number"], "lost": error.strip()})


class Hangup(tune.Stopper):
    """Ends everything when the driver has hung up."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial is ended by itself."""
        return False

    def stop_all(self) -> bool:
        """Whether the driver has hung up."""
        return self._driver.gone.is_set()


def _tune(driver: Driver, order: Message, resources: Mapping[str, float]) -> None:
    checkpoints = Path(order["checkpoints"])
    trainable = tune.with_resources(tune.with_parameters(Trial, order=order), dict(resources))
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=Proposals(driver, checkpoints),
                scheduler=Relay(driver, checkpoints),
                num_samples=-1,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="trials",
                storage_path=folder,
                stop=Hangup(driver),
                verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=0),
            ),
        ).fit()


if __name__ == "__main__":
    main()
