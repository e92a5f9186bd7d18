"""All families, in the order in which their defaults are tried: the quick ones first."""

import importlib.util

from afina_jobs.automl.models import forest, lightgbm, linear, mlp, xgboost
from afina_jobs.automl.models.base import Family

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        linear.FAMILY,
        lightgbm.FAMILY,
        xgboost.FAMILY,
        forest.EXTRA_TREES,
        forest.RANDOM_FOREST,
        mlp.FAMILY,
    )
}


def missing_package(family: Family) -> str | None:
    """The package that a family needs and the image lacks."""
    if family.needs and importlib.util.find_spec(family.needs) is None:
        return family.needs
    return None
