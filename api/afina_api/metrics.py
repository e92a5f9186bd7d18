"""Names of metrics."""

from typing import Annotated

from pydantic import StringConstraints

MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_./-]*$", min_length=1, max_length=63)]
