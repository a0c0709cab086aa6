"""What a pass makes is where its inputs are: seen on a pretended GPU, of tensors without numbers.

Only forward passes can be seen so; autograd's engine asks for a real GPU (``test_cuda.py``).
"""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from dartsedu.base.packing import pack
from dartsedu.data.splits import Batch
from dartsedu.data.text import TextBatch
from dartsedu.spaces.cnn import CNNSupernet, cnn_space
from dartsedu.spaces.rnn import RNNSupernet, rnn_space


@pytest.fixture
def pretended():
    with FakeTensorMode(), torch.device("cuda"):
        yield


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("fast", [True, False])
def test_a_convolutional_supernet(fast, training):
    supernet = CNNSupernet(cnn_space(), channels=4, cells=4, fast=fast).train(training)
    found = supernet.loss(Batch(torch.randn(8, 3, 16, 16), torch.arange(8) % 10))
    assert found.loss.is_cuda
    assert found.accuracy.is_cuda


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize("fast", [True, False])
def test_a_recurrent_supernet(fast):
    supernet = RNNSupernet(rnn_space(3), words=20, hidden=5, fast=fast)
    text = torch.randint(20, (9, 6))
    found = supernet.loss(TextBatch(text[:-1], text[1:], first=True, usual=8))
    assert found.loss.is_cuda
    assert found.carried.is_cuda


@pytest.mark.usefixtures("pretended")
def test_a_checkpoint_of_two_devices_is_written_from_the_cpu():
    """Adam keeps its numbers of steps on the CPU."""
    state = {"w": torch.ones(2, 3), "step": torch.tensor(1.0, device="cpu")}
    (vector,) = pack(state).tensors.values()
    assert not vector.is_cuda
    assert vector.shape == (7,)
