"""The numbers of images: a model that learned from them must get the same ones for ever."""

import numpy as np
import pytest

from afina_models.images.kinds import KINDS
from afina_models.images.learned import LearnedImages
from support.pictures import a_picture

VERSION_1 = {
    "Classical": {
        "visibility_mean": 54.5373, "visibility_std": 15.0442, "visibility_contrast": 64.5517,
        "visibility_entropy": 6.84923, "colour_a_mean": 4.52788, "colour_b_mean": 3.34092,
        "colour_saturation_mean": 0.516022, "colour_a_std": 32.6582, "colour_b_std": 33.9919,
        "colour_saturation_std": 0.184638, "colourfulness": 97.6624, "dark_channel": 0.319216,
        "glcm_contrast": 376.209, "glcm_dissimilarity": 5.44748, "glcm_homogeneity": 0.886639,
        "glcm_energy": 0.0861337, "glcm_correlation": 0.877679, "lbp_uniformity": 0.988133, "lbp_entropy": 2.36621,
        "gradient_mean": 0.054809, "gradient_std": 0.108848, "gradient_edges": 0.205633, "horizon_clarity": 0.0696017,
        "frequency_middle": 0.20815, "frequency_high": 0.0573844, "frequency_mean": 0.0689989,
        "frequency_slope": -1.8476,
    },
    "EfficientNetLite0": {
        "embedding_0287": 3.47847, "embedding_0468": 3.60712, "embedding_0455": 3.72443, "embedding_0113": 3.99432,
    },
}  # fmt: skip
"""Of one picture; of the network its greatest values. If these change, raise the version in `kinds.py`."""


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_change_with_the_version_alone(kind: str) -> None:
    known = KINDS[kind]
    found = np.asarray(known.load(1)(a_picture(0, 300, 200)), dtype=float)
    values = dict(zip(known.names, found.tolist(), strict=True))
    assert known.version == 1
    assert {name: values[name] for name in VERSION_1[kind]} == pytest.approx(VERSION_1[kind], rel=1e-4)


def test_kinds_whose_columns_are_left_out_are_not_measured() -> None:
    versions, columns = {"Classical": 1, "EfficientNetLite0": 1}, {"Classical": ["a", "b"], "EfficientNetLite0": ["c"]}
    found = LearnedImages(versions, columns, 512, 512, 0.5)
    assert found.needs_torch
    less = found.within({"b", "y"})
    assert less == LearnedImages({"Classical": 1}, {"Classical": ["b"]}, 512, 512, 0.5)
    assert not less.needs_torch
    assert found.within({"y"}) is None
