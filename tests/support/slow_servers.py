"""A model server in the test's own process, whose model can be held."""

import threading
from pathlib import Path

import pytest

from afina_models.columns import Columns
from afina_models.digest import FILES
from afina_models.predictor import Predictor
from afina_serving import server as serving
from afina_serving.drift import InputDrift
from afina_serving.grpc_server import GrpcServer
from afina_serving.lifecycle import Lifecycle
from afina_serving.model import ServedModel
from afina_serving.service import Service
from afina_serving.settings import Identity, Limits
from support.model_servers import ModelServer
from support.models import a_regressor
from support.searches import wait_for
from support.servers import free_port


class Slow:
    """A server in this process, whose model predicts when it is let."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        identity = Identity("houses", "3", a_regressor(folder), "mldep-houses-1")
        self.predictor = Predictor.load(folder / "model" / FILES, identity.digest)
        self.model = ServedModel(self.predictor, identity, InputDrift({}))
        self.let = threading.Event()
        self.begun = threading.Semaphore(0)
        self._predict = self.predictor.predict
        self.server = ModelServer(free_port(), free_port())
        self.service = Service(self.model, limits, Lifecycle())
        calls = GrpcServer(self.service, self.server.grpc_port)
        configuration = serving.configuration(self.service, self.server.port)
        self._uvicorn = serving.Server(configuration, calls, self.service.lifecycle, self.service.shadow)
        self._thread = threading.Thread(target=self._uvicorn.run)

    def __enter__(self) -> "Slow":
        self._thread.start()
        wait_for(lambda: self._uvicorn.started)
        return self

    def __exit__(self, *_: object) -> None:
        self.let.set()
        self.end()
        self._thread.join()

    @property
    def held(self) -> int:
        """Requests that wait for the model, or that it is at."""
        return self.service._long.held

    def end(self) -> None:
        """Take no new requests, and finish those that were begun."""
        self._uvicorn.should_exit = True

    def slow_down(self, patch: pytest.MonkeyPatch) -> None:
        def predict(rows: Columns) -> object:
            self.begun.release()
            self.let.wait()
            return self._predict(rows)

        patch.setattr(self.predictor, "predict", predict)
        patch.setattr(self.model, "is_quick", lambda _body: False)
