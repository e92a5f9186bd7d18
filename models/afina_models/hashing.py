"""Words of a text as features, without a dictionary: the hashing trick.

After Weinberger, Dasgupta, Langford, Smola and Attenberg, Feature hashing for large scale multitask learning, 2009.
The numbers are those of scikit-learn's HashingVectorizer, bit by bit, but importing that takes seconds.
"""

import re
from functools import lru_cache

import numpy as np

from afina_models.arrays import Array

_WORD = re.compile(r"\b\w\w+\b")
_KNOWN_WORDS = 2**16
_MASK = 0xFFFFFFFF


def hashed_words(text: str, features: int) -> Array:
    """The words' signs, summed up by feature, and all of length 1."""
    found = np.zeros(features)
    for word in _WORD.findall(text.lower()):
        code = _code(word)
        found[abs(code) % features] += 1 if code >= 0 else -1
    length = np.sqrt(np.sum(found * found))
    return found / length if length else found


@lru_cache(_KNOWN_WORDS)
def _code(word: str) -> int:
    """MurmurHash3 (Appleby, 2011) of 32 bits with seed 0, as a signed number."""
    data = word.encode()
    found, whole = 0, len(data) // 4 * 4
    for start in range(0, whole, 4):
        found = found ^ _mixed(int.from_bytes(data[start : start + 4], "little"))
        found = (_rotated(found, 13) * 5 + 0xE6546B64) & _MASK
    found ^= _mixed(int.from_bytes(data[whole:], "little")) ^ len(data)
    found = ((found ^ found >> 16) * 0x85EBCA6B) & _MASK
    found = ((found ^ found >> 13) * 0xC2B2AE35) & _MASK
    found ^= found >> 16
    return found - 2**32 if found >= 2**31 else found


def _mixed(block: int) -> int:
    return _rotated(block * 0xCC9E2D51 & _MASK, 15) * 0x1B873593 & _MASK


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _MASK
