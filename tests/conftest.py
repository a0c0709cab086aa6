"""What several tests share: one thread, a tiny task, a tiny supernet, the toy of the paper."""

import pytest
import torch

from dartsedu.data.images import ImageTask
from dartsedu.data.splits import ArraySplit, Augmentation
from dartsedu.presets import load_preset
from dartsedu.settings import SearchSettings
from dartsedu.spaces.cnn import CNNSupernet, cnn_space
from dartsedu.spaces.cnn.settings import CNNTrainSettings


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def task() -> ImageTask:
    """96 random 4×4 images of 3 classes, with augmentation."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (96, 1, 4, 4), generator=generator, dtype=torch.uint8)
    targets = torch.arange(96) % 3

    def split(start: int, end: int) -> ArraySplit:
        augmentation = Augmentation(padding=1, flip=True, noise=0.1)
        return ArraySplit(images[start:end], targets[start:end], [0.5], [0.3], augmentation)

    return ImageTask(
        name="tiny",
        image_shape=(1, 4, 4),
        classes=3,
        weights=split(0, 36),
        architecture=split(36, 72),
        test=split(72, 96),
        training=split(0, 72),
    )


@pytest.fixture
def make_supernet():
    """Builds a supernet of 3 cells with 2 nodes and 2 channels; the seed fixes its start."""

    def make(seed: int = 0, primitives=("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3")):
        torch.manual_seed(seed)
        return CNNSupernet(
            cnn_space(nodes=2, primitives=primitives),
            image_channels=1,
            classes=3,
            channels=2,
            cells=3,
            alpha_scale=1e-3,
        )

    return make


@pytest.fixture
def search_settings() -> SearchSettings:
    """Three epochs of three steps."""
    classroom = load_preset("classroom").search
    return classroom.model_copy(update={"epochs": 3, "batch_size": 12})


@pytest.fixture
def train_settings() -> CNNTrainSettings:
    """Two epochs of six steps with everything switched on."""
    return CNNTrainSettings(
        channels=2,
        cells=3,
        epochs=2,
        batch_size=12,
        drop_path=0.3,
        auxiliary_weight=0.4,
        cutout=2,
        label_smoothing=0.1,
    )
