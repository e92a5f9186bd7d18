"""Keeps account of what was left out: all counts, and the first of them one by one in rejected.csv."""

import csv
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from afina_api.dataset import Rejected
from afina_api.reasons import RejectReason

MAX_LISTED = 100_000
_MAX_DETAIL = 500


class Rejections:
    """A context manager that writes rejected.csv as rows are rejected."""

    def __init__(self, file: Path) -> None:
        self._counts: Counter[RejectReason] = Counter()
        self._listed = 0
        self._stream = file.open("w", newline="", encoding="utf-8", errors="replace")
        self._writer = csv.writer(self._stream)
        self._writer.writerow(["row", "reason", "detail"])

    def add(self, row: int | str, reason: RejectReason, detail: str) -> None:
        """Count a row, by its number, or a file, by its name."""
        self._counts[reason] += 1
        if self._listed < MAX_LISTED:
            self._listed += 1
            self._writer.writerow([row, reason.value, _printable(detail)[:_MAX_DETAIL]])

    @property
    def total(self) -> int:
        """How many were rejected."""
        return self._counts.total()

    def by_reason(self) -> list[Rejected]:
        """How many for each reason, the most frequent first."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], item[0].value))
        return [Rejected(reason=reason.value, count=count) for reason, count in ordered]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


def _printable(detail: str) -> str:
    return "".join(letter if letter.isprintable() else "�" for letter in detail)
