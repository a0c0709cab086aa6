"""Lesson 03: the checks of its exercises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dartsedu.architect import FirstOrder
from dartsedu.data.splits import Batch
from dartsedu.lessons.check import Open, Wrong, ask, call, check, same
from dartsedu.lessons.guess import Question, Quiz
from dartsedu.show.measures import entropy
from dartsedu.spaces.cnn import CNNSupernet, cnn_space

# ---- Exercise 1: one step of the search ---------------------------------------------------------

Stepper = Callable[..., Any]


def _toy() -> tuple[CNNSupernet, Batch, Batch, torch.optim.Optimizer, torch.optim.Optimizer]:
    torch.manual_seed(7)
    primitives = ("none", "skip_connect", "sep_conv_3x3")
    supernet = CNNSupernet(
        cnn_space(nodes=1, primitives=primitives), image_channels=1, channels=2, cells=3
    )
    images, targets = torch.randn(16, 1, 8, 8), torch.arange(16) % 10
    on_weights = Batch(images[:8], targets[:8])
    on_architecture = Batch(images[8:], targets[8:])
    w = torch.optim.SGD(supernet.weights().values(), lr=0.1)
    alpha = torch.optim.SGD(supernet.alphas.values(), lr=10.0)
    return supernet, on_weights, on_architecture, w, alpha


def _moved(stepper: Stepper, times: int = 2) -> tuple[Tensor, Tensor]:
    """All α and all w, flat, after so many steps of the learner's function."""
    supernet, on_weights, on_architecture, w, alpha = _toy()
    for _ in range(times):
        stepper(supernet, on_weights, on_architecture, w, alpha)
    flat = torch.nn.utils.parameters_to_vector
    return (
        flat(supernet.alphas.values()).detach().clone(),
        flat(supernet.weights().values()).detach().clone(),
    )


def one_step(
    supernet: CNNSupernet,
    on_weights: Batch,
    on_architecture: Batch,
    w: torch.optim.Optimizer,
    alpha: torch.optim.Optimizer,
) -> Any:
    """Algorithm 1 of the paper, first order: α down the architecture batch, then w down its own."""
    _step_alpha(supernet, on_weights, on_architecture, w, alpha)
    return _step_w(supernet, on_weights, w)


def _step_alpha(
    supernet: CNNSupernet, on_weights: Batch, on_architecture: Batch, w: Any, alpha: Any
) -> None:
    gradient, _ = FirstOrder().gradient(supernet, on_weights, on_architecture, w)
    for cell, parameter in supernet.alphas.items():
        parameter.grad = gradient[cell]
    alpha.step()


def _step_w(supernet: CNNSupernet, batch: Batch, w: Any, forget: bool = True) -> Any:
    if forget:
        w.zero_grad()
    outcome = supernet.loss(batch)
    outcome.loss.backward()
    w.step()
    return outcome


def _w_first(supernet: Any, weights: Any, architecture: Any, w: Any, alpha: Any) -> None:
    _step_w(supernet, weights, w)
    _step_alpha(supernet, weights, architecture, w, alpha)


def _one_split(supernet: Any, weights: Any, architecture: Any, w: Any, alpha: Any) -> None:
    _step_alpha(supernet, weights, architecture, w, alpha)
    _step_w(supernet, architecture, w)


def _never_cleared(supernet: Any, weights: Any, architecture: Any, w: Any, alpha: Any) -> None:
    alpha.zero_grad()
    supernet.loss(architecture).loss.backward()  # Leaves gradients on w, too.
    alpha.step()
    _step_w(supernet, weights, w, forget=False)


def _crossed(supernet: Any, weights: Any, architecture: Any, w: Any, alpha: Any) -> None:
    one_step(supernet, architecture, weights, w, alpha)


def _alpha_on_weights(supernet: Any, weights: Any, architecture: Any, w: Any, alpha: Any) -> None:
    one_step(supernet, weights, weights, w, alpha)


def _joint(on_weights: bool) -> Stepper:
    def step(supernet: Any, weights: Any, architecture: Any, w: Any, alpha: Any) -> None:
        w.zero_grad()
        alpha.zero_grad()
        supernet.loss(weights if on_weights else architecture).loss.backward()
        alpha.step()
        w.step()

    return step


@check
def check_step(step: Stepper) -> str:
    """Two steps of the learner's function on a tiny supernet, against algorithm 1.

    What it gives back does not matter: what it does to α and w is judged.
    """
    supernet, on_weights, on_architecture, w, alpha = _toy()
    before = {n: p.detach().clone() for n, p in supernet.named_parameters()}
    call(step, supernet, on_weights, on_architecture, w, alpha)
    after = dict(supernet.named_parameters())
    still = {n for n, p in before.items() if torch.equal(p, after[n])}
    if still == set(before):
        raise Open("one_step moves nothing yet. Replace the dots, run the cell, then this one.")
    if any(n in still for n in before if n.startswith("alphas")):
        raise Wrong("α did not move. Set every α's .grad, then call alpha.step().")
    if all(n in still for n in before if not n.startswith("alphas")):
        raise Wrong(
            "w did not move. Go backward from the loss on the weights batch, then w.step()."
        )
    expected = _moved(one_step)
    mistakes = {
        "w moved before α": _w_first,
        "w descends the architecture batch: both levels then learn from the same data": _one_split,
        "w keeps gradients that are not its own; clear them with w.zero_grad()": _never_cleared,
        "the splits are crossed: α belongs to the architecture batch, w to the weights batch": (
            _crossed
        ),
        "α descends the weights batch, w's own: lesson 02, part 1, shows what comes of it": (
            _alpha_on_weights
        ),
        "α and w both step after one backward pass, on the weights batch; each needs a pass": (
            _joint(on_weights=True)
        ),
        "α and w both step after one pass, on the architecture batch; each needs a pass": (
            _joint(on_weights=False)
        ),
    }
    results = {meaning: _moved(wrong) for meaning, wrong in mistakes.items()}
    found = _moved(step)
    for place, name in ((1, "w after two steps"), (0, "α after two steps")):
        same(found[place], expected[place], name, {m: r[place] for m, r in results.items()}, 1e-5)
    return "α first, on its own split; then w. That is the whole of algorithm 1."


# ---- Exercise 2: entropy ------------------------------------------------------------------------


@check
def check_entropy(answer: Callable[[Tensor], Any]) -> str:
    """The mean entropy of a mixture in bits, against the closed forms and the package."""
    even = torch.full((3, 8), 1 / 8)
    same(
        ask(answer, even),
        torch.tensor(3.0),
        "the entropy of eight even operations",
        {
            "you used the natural logarithm: bits need log2": torch.tensor(8.0).log(),
            "you summed over the edges: take their mean": torch.tensor(9.0),
            "the sign is wrong: entropy is −Σ p log p": torch.tensor(-3.0),
        },
    )
    mixed = torch.softmax(torch.tensor([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]]), dim=1)
    same(ask(answer, mixed), torch.tensor(entropy(mixed)), "the entropy of an uneven mixture")
    return "0 means decided, 3 means that eight operations are alike."


QUIZ = Quiz(
    [
        Question(
            "The supernet is right on 95 % of the architecture split, with 2.8 bits of entropy. "
            "May you expect 95 % from the discrete cell?",
            "No",
            "At 2.8 bits about seven operations share each edge, and the accuracy is theirs "
            "together. Cutting to one changes the network; it must be trained again.",
            {
                "Yes, after the cut": "The cut takes most of each edge away: see lesson 04.",
                "Yes, if the strongest shares are kept": "The strongest of eight nearly even "
                "shares is little more than an eighth.",
            },
        ),
        Question(
            "Two seeds give different cells. What follows?",
            "Random cells of the same space must be the yardstick",
            "Different cells may be equally good, but the search has not found the one cell.",
            {
                "The search is useless": "Not by itself: many cells may be equally good.",
                "One of the two is wrong": "There may be no single right cell. Train both, and "
                "random ones beside them.",
            },
        ),
        Question(
            "The entropy of the mixture falls to nearly zero. What do you know?",
            "A choice was made",
            "Whether it is good, entropy does not say: frozen operations lead to low entropy too.",
            {
                "The search has succeeded": "It has decided. An accident also decides.",
                "The cell will keep the supernet's accuracy": "Little is cut away, so the gap may "
                "be small; how good the cell is trained from scratch, nobody knows yet.",
            },
        ),
        Question(
            "Why do two losses take part in a step, one after the other?",
            "α and w each descend the loss on data of their own",
            "If both had the same data, α would favour what overfits it fastest.",
            {
                "To halve the memory": "Each pass needs the same memory.",
                "Because Adam and SGD cannot share a loss": "They could: the data are the reason.",
            },
        ),
    ]
)
