"""Where and by what a TuningJob's trials run."""

import math
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from afina_api.base import Compute, Model, rule

MAX_WORKERS = 64


class TrialResources(Compute):
    """What one trial may use. Its pod gets it once for each trial that it runs at a time, and a little for itself."""

    rules: ClassVar = (
        rule(
            "!has(self.gpu) || self.gpu < 1.0 || self.gpu == double(int(self.gpu))",
            "gpu is a whole number, or a fraction below 1 of a GPU that several trials share",
            field=".gpu",
        ),
        rule(
            "!has(self.gpuType) || (has(self.gpu) && self.gpu > 0.0)",
            "gpuType has no meaning without a gpu",
            field=".gpuType",
        ),
    )

    gpu: Annotated[float, Field(ge=0, le=64)] = 0
    """GPUs (nvidia.com/gpu): a whole number, or a fraction such as 0.5, which the engine RayTune shares out. A
    fraction is a promise: nothing keeps a trial from using more of the device."""
    gpu_type: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$", max_length=63)] | None
    ) = None
    """The node's label `nvidia.com/gpu.product`, such as `NVIDIA-H100-80GB-HBM3`. Unset: any."""

    @property
    def shares_gpu(self) -> bool:
        """Whether several trials use one GPU."""
        return 0 < self.gpu < 1

    @model_validator(mode="after")
    def _gpu_is_whole_or_shared(self) -> Self:
        if self.gpu >= 1 and self.gpu != math.floor(self.gpu):
            raise ValueError("gpu is a whole number, or a fraction below 1 of a GPU that several trials share")
        if self.gpu_type and not self.gpu:
            raise ValueError("gpuType has no meaning without a gpu")
        return self


class Execution(Model):
    """Where and by what trials run."""

    rules: ClassVar = (
        rule(
            "!has(self.engine) || self.engine != 'Process' || !has(self.workers) || self.workers == 0",
            "workers need the engine RayTune: set engine to RayTune or Auto, or workers to 0",
            field=".workers",
        ),
    )

    engine: Literal["Auto", "Process", "RayTune"] = "Auto"
    """Process: processes in the driver's pod. RayTune: Ray Tune, in the driver's pod or on workers; it takes some
    seconds and about 1 GiB more. Auto: RayTune where workers or a fraction of a GPU are asked for, else Process."""
    workers: Annotated[int, Field(ge=0, le=MAX_WORKERS)] = 0
    """So many pods of a Ray cluster run the trials; KubeRay must be installed. 0: all run in the driver's pod."""

    @model_validator(mode="after")
    def _workers_are_rays(self) -> Self:
        if self.engine == "Process" and self.workers:
            raise ValueError("workers need the engine RayTune: set engine to RayTune or Auto, or workers to 0")
        return self

    def uses_ray(self, resources: TrialResources) -> bool:
        """Whether the trials run under Ray Tune."""
        return self.engine == "RayTune" or (self.engine == "Auto" and (self.workers > 0 or resources.shares_gpu))


def slots(parallel: int, workers: int) -> int:
    """How many trials each pod runs at a time, so that together they run `parallel` ones or a few more."""
    return math.ceil(parallel / workers) if workers else parallel
