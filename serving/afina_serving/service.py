"""What every way in shares: one model, the queue to it, and the counters."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from afina_api.serving import REQUEST_HEADER
from afina_serving.answers import Answer, Reading
from afina_serving.batch import answered
from afina_serving.errors import CLIENT_LEFT, RequestError
from afina_serving.lifecycle import Lifecycle
from afina_serving.metrics import Metrics
from afina_serving.model import ServedModel
from afina_serving.prediction_log import Logging, PredictionLog
from afina_serving.settings import Limits
from afina_serving.shadow import Shadow
from afina_serving.work import QuickWork, Task, Work

_RETRY_SECONDS = 1

log = logging.getLogger(__name__)


class Service:
    """A model that answers."""

    def __init__(
        self,
        model: ServedModel,
        limits: Limits,
        lifecycle: Lifecycle,
        shadow_url: str | None = None,
        logging: Logging | None = None,
    ) -> None:
        self.model = model
        self.limits = limits
        self.lifecycle = lifecycle
        self.metrics = Metrics(model.identity, model.drift.indices)
        self.shadow = Shadow(shadow_url, model.identity.revision, self.metrics) if shadow_url else None
        self.log = PredictionLog(*logging, model.identity, model.types, self.metrics) if logging else None
        self._quick = QuickWork(self._answered_here)
        self._long = Work(self._answered_in_thread, model.parallel)
        self._threads = ThreadPoolExecutor(model.parallel, "predict")

    async def answer(self, coming: Awaitable[bytes], reading: Reading, *, copied_as: str | None = None) -> Answer:
        """The answer to a request, which is counted, as is its refusal.

        Args:
            coming: the body of the request. How fast the client sends it is no latency of the model.
            reading: how it is read.
            copied_as: the type of its content, if another revision may be shown it too.

        Raises:
            RequestError: the request is wrong, or comes too late, or the model fails.
        """
        began, status = None, 200
        try:
            body = await coming
            began = time.perf_counter()
            task = partial(reading, self.model, body)
            if self.model.is_quick(body):
                answer = await self._quick.do(task, len(body))
            else:
                answer = await self._in_turn(task, len(body))
        except RequestError as error:
            status = error.status
            raise
        except asyncio.CancelledError:
            status = CLIENT_LEFT
            raise
        except Exception as error:
            status = 500
            log.exception("a prediction failed")
            raise RequestError(status, "the prediction failed: see the server's log") from error
        else:
            self.metrics.predicted(answer.bins, answer.uncertainties)
            if copied_as is not None and self.shadow:
                self.shadow.copy(body, copied_as, answer.content)
            if self.log and (name := self.log.add(answer.columns, answer.found)):
                return replace(answer, headers={**answer.headers, REQUEST_HEADER: name})
            return answer
        finally:
            self.metrics.answered(status, None if began is None else time.perf_counter() - began)

    async def _in_turn(self, task: Task, size: int) -> Answer:
        if self._long.held >= self.limits.max_queue:
            message = f"{self._long.held} predictions are waiting: come back later"
            raise RequestError(429, message, {"Retry-After": str(_RETRY_SECONDS)})
        try:
            return await asyncio.wait_for(self._long.do(task, size), self.limits.timeout_seconds)
        except TimeoutError as error:
            message = f"the prediction took more than {self.limits.timeout_seconds:g} s: send fewer rows"
            raise RequestError(504, message) from error

    def _answered_here(self, tasks: Sequence[Task]) -> list[Answer | Exception]:
        self.metrics.began(len(tasks))
        return answered(self.model, tasks)

    async def _answered_in_thread(self, tasks: Sequence[Task]) -> list[Answer | Exception]:
        self.metrics.began(len(tasks))
        return await asyncio.get_running_loop().run_in_executor(self._threads, answered, self.model, tasks)
