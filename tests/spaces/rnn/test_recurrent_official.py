"""Official checkpoints: a reading of the authors' layout, written out here independently."""

import pytest
import torch

from dartsedu.published import PUBLISHED
from dartsedu.spaces.rnn import RNNNetwork, RNNSupernet, rnn_space

V, H = 12, 4


def official(nodes, search=False):
    """Shapes by key of ``RNNModel(V, H, H, H)`` and ``RNNModelSearch``."""
    shapes = {
        "encoder.weight": (V, H),
        "rnns.0._W0": (2 * H, 2 * H),
        **{f"rnns.0._Ws.{i}": (H, 2 * H) for i in range(nodes)},
        "decoder.weight": (V, H),
        "decoder.bias": (V,),
    }
    if search:
        shapes |= {"rnns.0.bn.running_mean": (H,), "rnns.0.bn.running_var": (H,)}
    torch.manual_seed(1)
    state = {key: torch.rand(shape) for key, shape in shapes.items()}
    state["decoder.weight"] = state["encoder.weight"].clone()
    return state


@pytest.mark.parametrize(("name", "nodes"), [("darts-rnn-v2", 8), ("enas", 11)])
def test_every_official_tensor_finds_its_place(name, nodes):
    network, state = RNNNetwork(PUBLISHED[name], V, H), official(nodes)
    network.load_official(state)
    assert torch.equal(network.model.embedding, state["encoder.weight"])
    assert torch.equal(network.model.bias, state["decoder.bias"])
    assert torch.equal(network.core.initial, state["rnns.0._W0"])
    for i in range(nodes):
        assert torch.equal(network.core.nodes[i], state[f"rnns.0._Ws.{i}"])
    assert len(network.state_dict()) == len(state) - 1


def test_loaded_weights_compute_what_the_authors_formulas_do():
    """One word through the official forward pass, written out."""
    network, state = RNNNetwork(PUBLISHED["darts-rnn-v1"], V, H), official(8)
    network.load_official(state)
    word, h = torch.tensor([[3, 5]]), torch.randn(2, H)
    logits, _ = network.eval().model.read(network.core, word, h)
    c, v = (torch.cat([state["encoder.weight"][word[0]], h], 1) @ state["rnns.0._W0"]).split(H, 1)
    states = [h + c.sigmoid() * (v.tanh() - h)]
    for i, (edge,) in enumerate(PUBLISHED["darts-rnn-v1"].cells[0].nodes):
        s = states[edge.source]
        c, v = (s @ state[f"rnns.0._Ws.{i}"]).split(H, 1)
        f = {"relu": torch.relu, "tanh": torch.tanh, "identity": lambda x: x}[edge.primitive]
        states.append(s + c.sigmoid() * (f(v) - s))
    output = torch.stack(states[1:]).mean(0)
    expected = output @ state["decoder.weight"].t() + state["decoder.bias"]
    torch.testing.assert_close(logits[0], expected)


def test_search_network_loads_with_and_without_alphas():
    net, state = RNNSupernet(rnn_space(), words=V, hidden=H), official(8, search=True)
    net.load_official({f"module.{key}": value for key, value in state.items()})
    assert torch.equal(net.core.norm.running_var, state["rnns.0.bn.running_var"])
    assert not net.alphas["recurrent"].any()
    net.load_official(state | {"weights": torch.ones(36, 5)})
    assert bool(net.alphas["recurrent"].all())


@pytest.mark.parametrize("shell", ["module.", "_orig_mod.", "module._orig_mod.", "module.module."])
@pytest.mark.parametrize("around", [None, "state_dict", "model"])
def test_shells_and_wrapping_do_not_matter(shell, around):
    network, state = RNNNetwork(PUBLISHED["darts-rnn-v2"], V, H), official(8)
    given = {shell + key: value for key, value in state.items()}
    network.load_official(given if around is None else {"epoch": 3, around: given})
    assert torch.equal(network.model.embedding, state["encoder.weight"])
    with pytest.raises(ValueError, match="a whole model"):
        network.load_official(torch.nn.Linear(1, 1))


def test_a_state_that_does_not_fit_changes_nothing_and_is_explained():
    network = RNNNetwork(PUBLISHED["darts-rnn-v2"], V, H)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    untied = official(8) | {"decoder.weight": torch.zeros(V, H)}
    with pytest.raises(ValueError, match=r"encoder\.weight and decoder\.weight differ"):
        network.load_official(untied)
    state = official(9)
    state.pop("decoder.bias")
    state["rnns.0._W0"] = torch.zeros(3, 3)
    words = "1 missing, such as model.bias; 1 left over, such as core.nodes.8; 1 of another shape"
    with pytest.raises(ValueError, match=words):
        network.load_official(state)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
