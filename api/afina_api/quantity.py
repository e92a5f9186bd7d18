"""Arithmetic with Kubernetes quantities, such as `500m` of a processor or `1Gi` of memory."""

import math
from decimal import Decimal

_FACTORS = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    "k": Decimal(1000),
    "M": Decimal(1000**2),
    "G": Decimal(1000**3),
    "T": Decimal(1000**4),
    "Ki": Decimal(1024),
    "Mi": Decimal(1024**2),
    "Gi": Decimal(1024**3),
    "Ti": Decimal(1024**4),
}


def parse(quantity: str) -> Decimal:
    """The number that a quantity stands for."""
    number = quantity.rstrip("mkKMGTi")
    return Decimal(number) * _FACTORS[quantity[len(number) :]]


def cpu(cores: Decimal) -> str:
    """Processors as a quantity, to the next higher thousandth."""
    return f"{math.ceil(cores * 1000)}m"


def memory(size: Decimal) -> str:
    """Bytes as a quantity, to the next higher mebibyte."""
    return f"{math.ceil(size / 1024**2)}Mi"
