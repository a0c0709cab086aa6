"""The same maths on a GPU. These tests need one and say so where there is none."""

import pytest
import torch
from comparison import same_step

from dartsedu.architect import Exact, FiniteDifference, FirstOrder
from dartsedu.search import Search
from dartsedu.train import Training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
CUDA = torch.device("cuda", 0)


@pytest.mark.parametrize("architect", [FirstOrder(), FiniteDifference(), Exact()])
def test_hypergradient_is_the_cpus(make_supernet, task, architect):
    found = []
    for device in ("cpu", CUDA):
        supernet = make_supernet().double().to(device).train()
        splits = (s.to(torch.device(device)) for s in (task.weights, task.architecture))
        train, val = (
            b._replace(inputs=b.inputs.double()) for b in (next(s.training(12, 0)) for s in splits)
        )
        optimizer = torch.optim.SGD(supernet.weights().values(), lr=0.1)
        gradient = architect.gradient(supernet, train, val, optimizer).gradient
        found.append({cell: slope.cpu() for cell, slope in gradient.items()})
    for cell, slope in found[0].items():
        torch.testing.assert_close(found[1][cell], slope, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("architect", ["first-order", "finite-difference", "exact"])
def test_a_search_resumes_on_the_gpu(make_supernet, task, search_settings, architect, tmp_path):
    """Kernels that add in no fixed order may differ in the last digits, so: almost equal."""
    settings = search_settings.model_copy(update={"architect": architect})
    whole = list(Search(make_supernet(), task, settings, device=CUDA))
    begun = Search(make_supernet(), task, settings, device=CUDA)
    for _ in range(4):
        next(begun)
    begun.save(tmp_path / "c.pt")
    resumed = list(Search(make_supernet(9), task, settings, device=CUDA).load(tmp_path / "c.pt"))
    for one, other in zip(whole[4:], resumed, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-3)
        assert one.alphas["normal"] == pytest.approx(other.alphas["normal"], rel=1e-2, abs=1e-3)


def test_random_masks_are_the_steps_own_on_the_gpu(make_supernet, task, train_settings):
    from dartsedu.spaces.build import build_network

    def training():
        network = build_network(make_genotype(), train_settings, task, 0)
        return Training(network, task, train_settings, device=CUDA)

    def make_genotype():
        return make_supernet().genotype()

    first = list(training())
    second = []
    for step in training():
        torch.rand(5, device=CUDA)
        second.append(step)
    assert [s.loss["training"] for s in first] == pytest.approx(
        [s.loss["training"] for s in second], rel=1e-3
    )
    assert len(first) == len(second)
    assert not same_step(first[0], first[1])


@pytest.mark.parametrize("architect", [FirstOrder(), FiniteDifference(), Exact()])
def test_recurrent_hypergradient_is_the_cpus(architect):
    from dartsedu.data.text import TextBatch
    from dartsedu.spaces.rnn import RNNSupernet, rnn_space

    text = torch.randint(20, (2, 9, 6), generator=torch.Generator().manual_seed(0))
    found = []
    for device in ("cpu", CUDA):
        torch.manual_seed(0)
        supernet = RNNSupernet(rnn_space(3), words=20, hidden=5, alpha_scale=1.0)
        supernet.double().to(device)
        train, val = (
            TextBatch(part[:-1], part[1:], first=True, usual=8) for part in text.to(device)
        )
        optimizer = torch.optim.SGD(supernet.weights().values(), lr=0.5)
        gradient = architect.gradient(supernet, train, val, optimizer).gradient
        found.append(gradient["recurrent"].cpu())
    torch.testing.assert_close(found[1], found[0], rtol=1e-6, atol=1e-10)
