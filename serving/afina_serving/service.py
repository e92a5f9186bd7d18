"""What every way in shares: one model, the queue to it, and the counters."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from functools import partial

from afina_serving.answers import Answer, Answering
from afina_serving.errors import CLIENT_LEFT, RequestError
from afina_serving.lifecycle import Lifecycle
from afina_serving.metrics import Metrics
from afina_serving.model import ServedModel
from afina_serving.settings import Limits
from afina_serving.work import Work

log = logging.getLogger(__name__)


class Service:
    """A model that answers."""

    def __init__(self, model: ServedModel, limits: Limits, lifecycle: Lifecycle) -> None:
        self.model = model
        self.limits = limits
        self.lifecycle = lifecycle
        self.metrics = Metrics(model.identity)
        self._work = Work(limits.max_queue, limits.timeout_seconds)

    async def answer(self, coming: Awaitable[bytes], answering: Answering) -> Answer:
        """The answer to a request, which is counted, as is its refusal.

        Args:
            coming: the body of the request. How fast the client sends it is no latency of the model.
            answering: how it is answered.

        Raises:
            RequestError: the request is wrong, or comes too late, or the model fails.
        """
        began, status = None, 200
        try:
            body = await coming
            began = time.perf_counter()
            task = partial(answering, self.model, body)
            answer = task() if self.model.is_quick(body) else await self._work.do(task)
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
            return answer
        finally:
            self.metrics.answered(status, None if began is None else time.perf_counter() - began)
