"""What can go wrong between the operator and the API server: all of it is a `ClusterError`.

- `NotFoundError`: the object is not there.
- `ConflictError`: it exists already, or it is not the one (or the version) that was read.
- `RefusedError`: the API server will not have it: forbidden, invalid, over quota.
- `UnavailableError`: no answer, or none that says anything about the request: it may or may not have been done.
- `FencedError`: not sent, because the lease may be another operator's by now.
"""


class ClusterError(Exception):
    """A request to the API server that did not do what it should."""


class NotFoundError(ClusterError):
    """The object is not there."""


class ConflictError(ClusterError):
    """It exists already, or it is not the one (or the version) that was read."""


class RefusedError(ClusterError):
    """The API server will not have it, and says why: forbidden, invalid, over quota."""


class UnavailableError(ClusterError):
    """No answer, or none that says anything about the request: it may or may not have been done."""


class FencedError(ClusterError):
    """Not sent, because the lease may be another operator's by now."""
