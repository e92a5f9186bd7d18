"""What texts mean: numbers, truth values, dates. Pure functions over columns of text.

Numbers: digits with a point and an exponent. Truth values: true, false, yes, no, t, f, y, n in any case, and where a
column is declared Boolean 1 and 0. Dates: ISO 8601, with or without a time and an offset; offsets are applied, so that
all dates are in UTC.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"
INFINITE = r"(?i)^[+-]?inf(inity)?$"
INTEGER = r"^[+-]?\d{1,18}$"
"""As many digits as surely fit 64 bits. Longer ones are names of things, and a double would change them."""
CODE = r"^[+-]?0\d+$|^[+-]?\d{19,}$"
"""Digits that are no amount: a leading zero, or more of them than 64 bits hold."""
DATE_LIKE = r"^\d{1,4}[-/. ](\d{1,2}|[A-Za-z]{3,9})[-/. ]\d{1,4}\b|^[A-Za-z]{3,9} \d{1,2}, \d{4}\b"
"""Some way of writing a date, in figures or with the month's name."""
BRIEF = 200
"""Characters of a value that are remembered and shown."""
_TRUE = frozenset(("true", "yes", "t", "y"))
_FALSE = frozenset(("false", "no", "f", "n"))

Parse = Callable[[str], Any]
"""Gives the value of a text; raises ValueError where it has none."""


def brief(text: str) -> str:
    """What is remembered of a text: all of it, or its beginning and its hash, so that different ones stay different."""
    return text if len(text) <= BRIEF else text[:BRIEF] + hashlib.sha256(text.encode()).hexdigest()


def trimmed(texts: pa.Array, missing_words: frozenset[str]) -> pa.Array:
    """The texts without spaces around them; null where the value is missing."""
    found = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(found, pa.array(sorted(missing_words), pa.string())), None, found)


def matches(texts: pa.Array, pattern: str) -> pa.Array:
    """Which texts match; false for missing ones."""
    return pc.fill_null(pc.match_substring_regex(texts, pattern), False)


def to_numbers(texts: pa.Array, target: pa.DataType) -> pa.Array:
    """The texts as float64 or int64, null where they are no number; infinite numbers stay infinite."""
    pattern = INTEGER if pa.types.is_integer(target) else f"{NUMBER}|{INFINITE}"
    plain = pc.if_else(matches(texts, pattern), texts, None)
    return pc.cast(pc.replace_substring_regex(plain, r"^\+", ""), target)


def to_booleans(texts: pa.Array) -> pa.Array:
    """The texts as truth values, null where they are none."""
    return _each(texts, partial(truth, words_for_true=_TRUE | {"1"}, words_for_false=_FALSE | {"0"}), pa.bool_())


def to_dates(texts: pa.Array, datetime_format: str | None) -> pa.Array:
    """The texts as timestamps in UTC, null where they are none."""
    return _each(texts, partial(moment, datetime_format=datetime_format), pa.timestamp("us"))


def truth(text: str, words_for_true: frozenset[str] = _TRUE, words_for_false: frozenset[str] = _FALSE) -> bool:
    """The truth value that a text names.

    Raises:
        ValueError: it names none.
    """
    word = text.lower()
    if word not in words_for_true | words_for_false:
        raise ValueError("no truth value")
    return word in words_for_true


def moment(text: str, datetime_format: str | None = None) -> datetime:
    """The moment that a text names, in UTC and without a time zone.

    Raises:
        ValueError: it names none.
    """
    found = datetime.strptime(text, datetime_format) if datetime_format else datetime.fromisoformat(text)  # noqa: DTZ007
    if found.tzinfo is None:
        return found
    try:
        return found.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise ValueError("before the year 1 or after 9999") from error


def check_format(datetime_format: str) -> str | None:
    """What is wrong with a format of dates; None if nothing is."""
    written = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC).strftime(datetime_format)
    try:
        datetime.strptime(written, datetime_format)  # noqa: DTZ007
    except ValueError as error:
        return f"{datetime_format!r} cannot be used: {error}"
    return None


def parses(text: str, parse: Parse) -> bool:
    """Whether a text has a value."""
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _each(texts: pa.Array, parse: Parse, target: pa.DataType) -> pa.Array:
    """Parse each distinct text once."""
    encoded = pc.dictionary_encode(texts)
    values = [parse(text) if parses(text, parse) else None for text in encoded.dictionary.to_pylist()]
    return pc.take(pa.array(values, target), encoded.indices)
