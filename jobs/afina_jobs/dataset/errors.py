"""The one error of this package: why no Dataset can be made of the source."""

from afina_api.reasons import DatasetReason


class DatasetError(Exception):
    """No Dataset can be made; the message names the file, the place in it, and the remedy."""

    def __init__(self, reason: DatasetReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def unreadable(message: str) -> DatasetError:
    """The bytes are not what they should be."""
    return DatasetError(DatasetReason.UNREADABLE_DATA, message)


def too_large(message: str) -> DatasetError:
    """A limit is exceeded."""
    return DatasetError(DatasetReason.TOO_LARGE, message)
