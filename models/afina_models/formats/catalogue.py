"""All formats, by the family's name."""

from afina_models.formats import forest, lightgbm, linear, mlp, onnx, xgboost
from afina_models.formats.base import Format

FORMATS: dict[str, Format] = {
    known.family: known
    for known in (
        linear.FORMAT,
        lightgbm.FORMAT,
        xgboost.FORMAT,
        forest.EXTRA_TREES,
        forest.RANDOM_FOREST,
        mlp.FORMAT,
        onnx.INT8_MLP,
        onnx.GRAPH,
    )
}
