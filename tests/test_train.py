import pytest
import torch
from comparison import same_step

from dartsedu.genotype import random_genotype
from dartsedu.spaces.cnn import CNNNetwork, cnn_space
from dartsedu.stream.stream import NonFiniteError
from dartsedu.train import Training, evaluate


@pytest.fixture
def make_training(task, train_settings):
    def make(seed=0, **changes):
        torch.manual_seed(seed)
        settings = train_settings.model_copy(update=changes)
        network = CNNNetwork(
            random_genotype(cnn_space(nodes=2), 3),
            image_shape=task.image_shape,
            classes=task.classes,
            channels=settings.channels,
            cells=settings.cells,
            auxiliary=settings.auxiliary_weight > 0,
        )
        return Training(network, task, settings, seed=seed)

    return make


def test_training_is_a_stream_of_steps_without_alpha(make_training):
    training = make_training()
    steps = list(training)
    assert [step.epoch for step in steps] == [0] * 6 + [1] * 6
    assert all(step.loss.keys() == step.accuracy.keys() == {"training"} for step in steps)
    assert not steps[0].alphas
    assert training.network.drop == pytest.approx(0.15)


def test_drop_path_ramps_linearly_from_zero(make_training):
    training = make_training(epochs=4, drop_path=0.2)
    seen = [training.network.drop for _ in training][::6]
    assert seen == pytest.approx([0.0, 0.05, 0.1, 0.15])


def test_schedules(make_training):
    """Cosine to zero; or the factor 0.97 an epoch."""
    cosine = [s.learning_rate["weights"] for s in make_training(epochs=2)][::6]
    assert cosine == pytest.approx([0.025, 0.0125])
    falling = [s.learning_rate["weights"] for s in make_training(schedule="exponential")][::6]
    assert falling == pytest.approx([0.025, 0.025 * 0.97])


def test_a_small_network_learns_what_can_be_learned(make_training, task):
    """Images whose brightness is their class."""
    for split in (task.training, task.test):
        split.images[:] = (split.targets * 100 + 20).to(torch.uint8)[:, None, None, None]
    training = make_training(
        epochs=12, drop_path=0.0, cutout=0, weights=make_training().settings.weights
    )
    before = training.test()
    list(training)
    assert before < 0.6
    assert training.test() == 1.0


@pytest.mark.parametrize("stop", [1, 6, 7])
def test_resuming_continues_bit_for_bit(make_training, stop, tmp_path):
    whole = list(make_training())
    begun = make_training()
    for _ in range(stop):
        next(begun)
    begun.save(tmp_path / "c.pt")
    resumed_training = make_training()
    torch.nn.init.zeros_(resumed_training.network.classifier.weight)
    resumed = list(resumed_training.load(tmp_path / "c.pt"))
    assert all(same_step(a, b) for a, b in zip(whole[stop:], resumed, strict=True))


def test_evaluation_by_hand_and_without_a_trace(make_training, task):
    network = make_training().network.train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    found = evaluate(network, task.test, batch_size=7)
    assert network.training
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    with torch.no_grad():
        right = sum(
            int((network.eval()(b.inputs).argmax(1) == b.targets).sum()) for b in task.test.once(7)
        )
    assert found == pytest.approx(right / 24)


def test_exploding_training_says_what_to_change(make_training):
    weights = make_training().settings.weights.model_copy(update={"learning_rate": 1e30})
    training = make_training(weights=weights)
    with pytest.raises(NonFiniteError, match=r"train\.weights\.learning_rate \(now 1e\+30\)"):
        list(training)
