"""Lesson 01: the checks of its exercises."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dartsedu.lessons.check import Wrong, ask, check, same
from dartsedu.lessons.guess import Question, Quiz
from dartsedu.relaxation import MixedOp, add, mixture_weights


@check
def check_weights(answer: Callable[[Tensor, float], Tensor]) -> str:
    """``answer(alpha, temperature)`` is softmax(alpha / temperature) over the last dimension."""
    for alpha, temperature in (
        (torch.tensor([0.0, 1.0, -1.0]), 1.0),
        (torch.tensor([[0.0, 2.0], [1.0, -1.0], [0.5, 0.5]]), 0.5),
        (torch.tensor([[0.0, 2.0], [1.0, -1.0]]), 4.0),
    ):
        found = ask(answer, alpha, temperature)
        scaled = alpha / temperature
        mistakes = {
            "the weights are not divided by their sum": scaled.exp(),
            "the temperature is left out": torch.softmax(alpha, -1),
            "α is multiplied by the temperature instead of divided": torch.softmax(
                alpha * temperature, -1
            ),
            "the weights are divided by T after the softmax; divide α, before it": (
                torch.softmax(alpha, -1) / temperature
            ),
            "this is a sigmoid, in which every weight is on its own": torch.sigmoid(scaled),
            "the weights of all edges together sum to 1; each row should": torch.softmax(
                scaled.flatten(), 0
            ).view_as(alpha),
            "the softmax goes over the wrong axis: rows are edges, columns operations": (
                torch.softmax(scaled, 0)
            ),
        }
        same(found, mixture_weights(scaled), f"weights({_list(alpha)}, {temperature})", mistakes)
    for large in (torch.tensor([1000.0, 0.0]), torch.tensor([-1000.0, -1000.0])):
        if not bool(torch.isfinite(ask(answer, large, 1.0)).all()):
            raise Wrong(
                "for α around 1000 the result is nan or inf: exp overflows. torch.softmax avoids "
                "it by subtracting the largest α first."
            )
    return (
        "positive, each row sums to 1, safe for large α. At T = 1 it is dartsedu.mixture_weights."
    )


def _list(tensor: Tensor) -> str:
    return str([[round(v, 2) for v in row] for row in torch.atleast_2d(tensor).tolist()])


@check
def check_mixed_op(answer: type[nn.Module]) -> str:
    """``answer(operations)(x, weights)`` equals ``MixedOp(operations)(x, weights)``."""
    torch.manual_seed(0)
    operations = [nn.Conv2d(2, 2, 3, padding=1), nn.Identity(), nn.MaxPool2d(3, 1, 1)]
    x, weights = torch.randn(2, 2, 5, 5), torch.tensor([0.6, 0.3, 0.1], requires_grad=True)
    module = ask(answer, operations)
    if not isinstance(module, nn.Module):
        raise Wrong("MyMixedOp should be a subclass of nn.Module.")
    outputs = [operation(x) for operation in operations]
    found = ask(module, x, weights)
    again = torch.softmax(weights, 0)
    mistakes = {
        "the outputs are added without their weights": add(outputs),
        "the outputs are averaged, not weighted": add(outputs) / 3,
        "softmax is applied again: the weights already sum to 1": add(
            w * o for w, o in zip(again, outputs, strict=True)
        ),
        "only the operation with the largest weight is used": outputs[0],
        "it stops after the first operation (return inside the loop?)": 0.6 * outputs[0],
        "the outputs are stacked and not summed": torch.stack(
            [w * o for w, o in zip(weights, outputs, strict=True)]
        ),
    }
    same(found, MixedOp(operations)(x, weights), "MyMixedOp(operations)(x, weights)", mistakes)
    _reached(found, weights)
    if not list(module.parameters()):
        raise Wrong(
            "the output is right, but the module has no parameters: an optimiser would not see the "
            "convolution. Keep the operations in an nn.ModuleList, not in a list."
        )
    return "the same output as dartsedu.MixedOp, and its parameters can be trained."


def _reached(output: Tensor, weights: Tensor) -> None:
    """``Wrong`` unless the weights have a slope: without it nothing is gained by mixing."""
    slope = None
    if output.requires_grad:
        (slope,) = torch.autograd.grad(output.sum(), weights, allow_unused=True)
    if slope is None:
        raise Wrong(
            "the output is right, but no gradient reaches the weights, so α could not learn. "
            "Something takes the numbers out of the tensor: .item(), float(), .detach(), tolist()?"
        )


@check
def check_pull(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """``answer(p, slope)`` is ∂L/∂α for p = softmax(α) and slope = ∂L/∂p."""
    alpha = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64, requires_grad=True)
    slope = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    p = mixture_weights(alpha)
    (expected,) = torch.autograd.grad(p @ slope, alpha)
    p = p.detach()
    mean = (p * slope).sum()
    mistakes = {
        "the average is missing: raising one weight lowers the others": p * slope,
        "the average is taken without the weights p": p * (slope - slope.mean()),
        "the factor p in front is missing": slope - mean,
        "the sign is the wrong way round": p * (mean - slope),
        "only the operation's own weight counts; but an α moves the weights of all": (
            p * (1 - p) * slope
        ),
    }
    same(ask(answer, p, slope), expected, "pull(p, slope)", mistakes)
    return "it equals what autograd computes through softmax."


QUIZ = Quiz(
    [
        Question(
            "One edge has α = (5, 5, 5), another α = (0, 0, 0). How do their mixtures differ?",
            "Not at all",
            "Softmax sees differences only. Both are equal parts.",
            {
                "The first is more decided": "Decided means that the α differ. These are equal.",
                "The first has a larger output": "The weights of either sum to 1.",
            },
        ),
        Question(
            "With softmax, can one step of gradient descent raise every α of an edge?",
            "No",
            "The slopes of an edge sum to zero (exercise 3), so if some α rise, others fall.",
            {
                "Yes, if all operations improve": "Improving is not enough: only what is better "
                "than the mixture's average gains.",
                "Yes, with a high temperature": "T scales the slopes; they still sum to zero.",
            },
        ),
        Question(
            "After a search the convolution has the weight 0.30 and seven others 0.10 each. Is the "
            "mixture close to the convolution alone?",
            "No: most of the output comes from the others",
            "70 % of it. Cutting the rest away may change the loss a lot: the discretisation gap.",
            {
                "Yes: it is the strongest": "The strongest is not the whole.",
                "Yes: three times as strong as any other": "But the other seven together weigh "
                "more than twice as much.",
            },
        ),
        Question(
            "Why do all operations of an edge share one stage of training with the mixture?",
            "So that one backward pass compares them all",
            "The slope of each α says whether its operation beats the average, with the w of now.",
            {
                "It makes the network smaller": "It is larger: every operation is computed.",
                "It makes their final accuracies comparable": "It does not: an operation that "
                "learns slowly looks worse than it would be alone (part 5).",
            },
        ),
    ]
)
