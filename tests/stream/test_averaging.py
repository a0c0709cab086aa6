import torch
from torch import nn

from dartsedu.stream.averaging import Averaging


def run(losses, patience, steps=2):
    """A weight that grows by 1 a step, ``steps`` an epoch, with these validation losses."""
    layer = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
    averaging = Averaging(layer, patience)
    for loss in losses:
        for _ in range(steps):
            with torch.no_grad():
                layer.weight += 1
            averaging.after_step()
        averaging.after_epoch(loss)
    return layer, averaging


def test_the_trigger_is_the_published_rule():
    """After epoch n: loss above the lowest of all epochs before the last ``patience``."""
    assert run([5, 4, 3, 3.5], 2)[1].averaged is None  # 3.5 < min(5)
    assert run([3, 4, 3.5, 3.6], 2)[1].averaged is not None  # 3.6 > min(3, 4)[:2] = 3
    assert run([3, 4], 2)[1].averaged is None  # Too early to tell.
    assert run([1, 2, 3, 4], None)[1].averaged is None


def test_the_average_is_that_of_all_steps_since():
    """Triggered after epoch 3 (weight 6); epochs 4 and 5 give 7, 8, 9, 10; the run goes on."""
    layer, averaging = run([1, 2, 3, 0.5, 0.25], 1)
    assert run([1, 2, 3], 1)[1].averaged is not None
    assert float(layer.weight.detach()) == 10
    assert float(averaging.judged.weight.detach()) == 8.5


def test_the_best_epoch_is_kept_averaged_if_it_was():
    _, averaging = run([3, 1, 2, 4], None)
    assert float(averaging.best["weight"]) == 4
    _, averaging = run([1, 2, 3, 0.5, 3], 1)
    assert float(averaging.best["weight"]) == 7.5  # The mean of 7 and 8.


def test_averaging_goes_on_from_its_state():
    whole_layer, whole = run([1, 2, 3, 4, 0.1], 1)
    layer, begun = run([1, 2, 3], 1)
    resumed = Averaging(layer, 1)
    resumed.load_state_dict(begun.state_dict())
    for loss in (4, 0.1):
        for _ in range(2):
            with torch.no_grad():
                layer.weight += 1
            resumed.after_step()
        resumed.after_epoch(loss)
    assert resumed.losses == whole.losses
    assert torch.equal(resumed.best["weight"], whole.best["weight"])
    assert torch.equal(layer.weight, whole_layer.weight)


def test_as_asgd_it_is_pytorchs_own():
    """``ASGD`` with λ = 0 from the trigger on, against SGD with the rate of the step before."""
    generator = torch.Generator().manual_seed(0)
    layer, theirs = nn.Linear(3, 2, bias=False), nn.Linear(3, 2, bias=False)
    averaging = Averaging(layer, 1, as_asgd=True)
    averaging.after_epoch(1.0)
    averaging.after_epoch(2.0)
    averaging.after_epoch(3.0)
    theirs.load_state_dict(layer.state_dict())
    asgd = torch.optim.ASGD(theirs.parameters(), lambd=0.0, t0=0, weight_decay=0.1)
    before = None
    for _ in range(12):
        slope = torch.randn(2, 3, generator=generator)
        rate = 0.2 * float(torch.rand((), generator=generator))
        asgd.param_groups[0]["lr"] = rate
        theirs.weight.grad = slope.clone()
        asgd.step()
        with torch.no_grad():
            layer.weight -= (rate if before is None else before) * (slope + 0.1 * layer.weight)
        before = rate
        averaging.after_step()
        torch.testing.assert_close(layer.weight, theirs.weight)
        average = asgd.state[theirs.weight]["ax"]
        torch.testing.assert_close(averaging.judged.weight.detach(), average)
