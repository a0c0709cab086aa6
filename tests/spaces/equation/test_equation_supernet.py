"""The equation supernet against its definition, written out with loops in float64."""

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares

from dartsedu.architect import Exact, FiniteDifference, FirstOrder, VirtualStep
from dartsedu.data.splits import Batch
from dartsedu.data.tables import table_task
from dartsedu.data.tasks import load_task
from dartsedu.presets import load_preset
from dartsedu.search import Search
from dartsedu.spaces.equation import (
    Equation,
    EquationSupernet,
    Output,
    Restart,
    Table,
    conclude,
    equation_space,
)
from dartsedu.spaces.equation.discovery import sampled, worth_writing
from dartsedu.spaces.equation.expression import Term
from dartsedu.spaces.equation.operations import OPERATIONS, degrees_of_freedom
from dartsedu.spaces.equation.refit import refit
from dartsedu.spaces.equation.supernet import CELL

EVERYTHING = ("none", *OPERATIONS)


def make(variables=2, nodes=2, primitives=EVERYTHING, seed=0, relaxation="softmax", **options):
    torch.manual_seed(seed)
    space = equation_space(variables, nodes, primitives, relaxation)
    return EquationSupernet(space, **{"restarts": 3, "alpha_scale": 1.0} | options)


def batch(variables=2, rows=7, outputs=1, seed=1):
    generator = torch.Generator().manual_seed(seed)
    inputs = 0.2 + torch.rand(rows, variables, generator=generator, dtype=torch.float64)
    targets = torch.rand(rows, outputs, generator=generator, dtype=torch.float64)
    return Batch(inputs, targets / targets.sum(1, keepdim=True) if outputs > 1 else targets)


def by_hand(supernet, inputs, mixture, restart):
    """Eq. 1 and 2, edge by edge and primitive by primitive: (N, outputs)."""
    topology = supernet.space[CELL]
    states = list(inputs.T)
    for node in range(topology.nodes):
        total = torch.zeros(len(inputs), dtype=torch.float64)
        for edge in topology.rows(node):
            x, scales, offsets = states[topology.edges[edge].source], 0, 0
            for column, primitive in enumerate(supernet.space.primitives):
                if primitive == "none":
                    continue
                operation = OPERATIONS[primitive]
                scale, offset = operation.scale, operation.offset
                if scale is None:
                    scale, scales = supernet.scale[restart, edge, scales], scales + 1
                if offset is None:
                    offset, offsets = supernet.offset[restart, edge, offsets], offsets + 1
                total = total + mixture[restart, edge, column] * operation(x, scale, offset)
        states.append(total)
    nodes = torch.stack(states[topology.inputs :], dim=1)
    if supernet.output.scale:
        combined = nodes @ supernet.output_scale[restart]
    else:
        combined = nodes.sum(1, keepdim=True).expand(-1, supernet.output.size)
    return combined + supernet.output_offset[restart] if supernet.output.offset else combined


@pytest.mark.parametrize("relaxation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("output", [Output(), Output(scale=False, offset=False), Output(size=2)])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 3)])
def test_all_restarts_at_once_are_the_definition(shape, output, relaxation):
    supernet = make(*shape, output=output, relaxation=relaxation)
    inputs, mixture = batch(shape[0]).inputs, supernet.mixture()[CELL]
    found = supernet(inputs, mixture)
    for restart in range(3):
        expected = by_hand(supernet, inputs, mixture, restart)
        torch.testing.assert_close(found[restart].T, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["real", "sigmoid", "softmax"])
def test_a_restart_has_the_gradient_of_its_own_loss(kind):
    outputs = 3 if kind == "softmax" else 1
    supernet = make(output=Output(kind=kind, size=outputs), complexity=0.01)
    data = batch(outputs=outputs)
    parameters = [*supernet.alphas.values(), *supernet.weights().values()]
    together = torch.autograd.grad(supernet.loss(data).loss, parameters)
    for restart in range(3):
        mixture = supernet.mixture()[CELL]
        logits = by_hand(supernet, data.inputs, mixture, restart)
        if kind == "softmax":
            own = torch.nn.functional.cross_entropy(logits, data.targets)
        else:
            said = logits.sigmoid() if kind == "sigmoid" else logits
            own = torch.nn.functional.mse_loss(said, data.targets)
        freedom = [float(degrees_of_freedom(p)) for p in supernet.space.primitives]
        own = own + 0.01 * (mixture[restart] * torch.tensor(freedom)).sum()
        alone = torch.autograd.grad(own, parameters)
        for all_, one in zip(together, alone, strict=True):
            torch.testing.assert_close(all_[restart], one[restart], rtol=1e-9, atol=1e-12)


def test_the_complexity_penalty_moves_alpha_alone():
    bare, penalised = make(complexity=0.0), make(complexity=0.5)
    data = batch()
    for a, b in zip(bare.weights().values(), penalised.weights().values(), strict=True):
        slopes = [
            torch.autograd.grad(net.loss(data).loss, w)[0] for net, w in ((bare, a), (penalised, b))
        ]
        torch.testing.assert_close(*slopes, rtol=1e-10, atol=1e-12)
    slopes = [
        torch.autograd.grad(net.loss(data).loss, net.alphas[CELL])[0] for net in (bare, penalised)
    ]
    alpha = bare.alphas[CELL].detach().requires_grad_()
    freedom = torch.tensor([float(degrees_of_freedom(p)) for p in EVERYTHING]).double()
    (expected,) = torch.autograd.grad(0.5 * (alpha.softmax(-1) @ freedom).sum(), alpha)
    torch.testing.assert_close(slopes[1] - slopes[0], expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    "architect", [FirstOrder(), Exact(VirtualStep(xi=0.1)), FiniteDifference(VirtualStep(xi=0.1))]
)
def test_architects_serve_every_restart_as_if_it_were_alone(architect):
    primitives = ("none", "linear", "linear_tanh", "sin")
    several = make(primitives=primitives)
    first, second = batch(seed=1), batch(seed=2)

    def gradient(supernet):
        optimizer = torch.optim.SGD(supernet.weights().values(), lr=0.1)
        return architect.gradient(supernet, first, second, optimizer).gradient[CELL]

    found = gradient(several)
    for restart in range(3):
        alone = make(primitives=primitives, restarts=1)
        with torch.no_grad():
            for one, all_ in zip(alone.parameters(), several.parameters(), strict=True):
                one.copy_(all_[restart : restart + 1])
        # The finite difference of several takes one ε for all of them.
        near = {"rtol": 1e-3, "atol": 1e-6}
        exact = {"rtol": 1e-9, "atol": 1e-12}
        allowed = near if isinstance(architect, FiniteDifference) else exact
        torch.testing.assert_close(found[restart], gradient(alone)[0], **allowed)


def search(task, restarts, steps=6, **changes):
    settings = load_preset("equation").search.model_copy(update={"epochs": steps, **changes})
    supernet = make(len(task.variables), primitives=("none", "linear", "ln"), restarts=restarts)
    return Search(supernet, task, settings)


def test_a_search_of_many_is_many_searches_clipped_each_by_itself():
    task = load_task("weber-fechner", rows=40)
    several = search(task, 3)
    start = {name: value.clone() for name, value in several.supernet.state_dict().items()}
    for _ in several:
        pass
    for restart in range(3):
        alone = search(task, 1)
        alone.supernet.load_state_dict(
            {name: value[restart : restart + 1] for name, value in start.items()}
        )
        for _ in alone:
            pass
        for name, value in alone.supernet.state_dict().items():
            torch.testing.assert_close(
                value[0], several.supernet.state_dict()[name][restart], rtol=1e-9, atol=1e-11
            )


def test_steps_show_the_restart_that_leads():
    task = load_task("weber-fechner", rows=40)
    running = search(task, 4)
    for step in running:
        supernet = running.supernet
        leader = supernet.leader
        assert float(supernet.standing[leader]) == float(supernet.standing.min())
        shown = supernet.alphas[CELL][leader].detach().float().numpy()
        np.testing.assert_array_equal(step.alphas[CELL], shown)
        assert step.alphas[CELL].shape == supernet.space.shape(CELL)


def test_several_weight_steps_take_the_batches_in_order_and_resume(tmp_path):
    task = load_task("weber-fechner", rows=60)
    whole = search(task, 2, steps=3, batch_size=8, weights_steps=2)
    states = [step.loss for step in whole]
    half = search(task, 2, steps=3, batch_size=8, weights_steps=2)
    for _ in range(4):
        next(half)
    half.save(tmp_path / "half.pt")
    rest = search(task, 2, steps=3, batch_size=8, weights_steps=2).load(tmp_path / "half.pt")
    assert [dict(step.loss) for step in rest] == [dict(loss) for loss in states[4:]]


# ---- Least squares ------------------------------------------------------------------------------


def test_the_refit_reaches_what_scipy_reaches():
    generator = np.random.default_rng(0)
    x = generator.uniform(0.5, 3, (60, 1))
    y = 1.5 / (1 + np.exp(-2 * x[:, 0] + 3)) + 0.01 * generator.normal(size=60)
    data = Batch(torch.from_numpy(x), torch.from_numpy(y)[:, None])
    supernet = make(1, 1, ("none", "linear_logistic", "linear_exp"), restarts=8)
    mixture = torch.zeros(8, 1, 3, dtype=torch.float64)
    mixture[:, :, 1] = 1.0
    untouched = supernet.scale[:, :, 1].clone()
    errors = refit(supernet, mixture, data, steps=200)

    def residuals(c):
        return c[0] / (1 + np.exp(-c[1] * x[:, 0] - c[2])) + c[3] - y

    best = least_squares(residuals, [1.5, 2.0, -3.0, 0.0])
    assert float(errors.min()) == pytest.approx(2 * best.cost / len(y), rel=1e-6)
    assert torch.equal(supernet.scale[:, :, 1], untouched)


def test_the_refit_never_makes_an_error_larger():
    supernet, data = make(restarts=16), batch(rows=30)
    mixture = supernet.mixture()[CELL].detach()
    with torch.no_grad():
        before = (supernet.respond(data.inputs) - data.targets).square().mean((1, 2))
    after = refit(supernet, mixture, data, steps=5)
    assert (after <= before).all()
    with torch.no_grad():
        again = (supernet.respond(data.inputs) - data.targets).square().mean((1, 2))
    torch.testing.assert_close(after, again)


# ---- From restarts to formulas ------------------------------------------------------------------


def test_a_known_law_is_found_and_its_rivals_are_told():
    task = load_task("weber-fechner", rows=120, noise=0.02)
    supernet = make(1, 2, ("none", "linear", "ln", "linear_exp"), restarts=24)
    discovery = conclude(supernet, task)
    assert str(discovery.formula.template).replace("c0", "").count("log(S)") == 1
    assert len(discovery.restarts) == 24
    errors = [restart.error for restart in discovery.restarts]
    assert errors == sorted(errors)


def test_sampling_draws_every_primitive_by_its_weight():
    supernet = make(1, 1, ("none", "linear", "ln"), restarts=3000, alpha_scale=0.0)
    with torch.no_grad():
        supernet.alphas[CELL][:] = torch.tensor([0.1, 0.6, 0.3]).log()
    drawn = [g.cells[0].nodes[0][0].primitive for g in sampled(supernet, seed=0)]
    shares = [drawn.count(p) / 3000 for p in ("none", "linear", "ln")]
    assert shares == pytest.approx([0.1, 0.6, 0.3], abs=0.04)
    assert sampled(supernet, seed=0) == sampled(supernet, seed=0)


def test_a_search_survives_a_table_at_the_edge_of_every_domain():
    x = np.array([[0.0, -5.0], [1e-9, 4.0], [-3.0, 0.0], [40.0, 1.0]] * 10)
    task = table_task(x, x.sum(1), scale_inputs=False)
    settings = load_preset("equation").search.model_copy(update={"epochs": 15})
    running = Search(make(primitives=EVERYTHING, restarts=32), task, settings)
    for step in running:
        assert np.isfinite(step.loss["weights"])
    assert all(value.isfinite().all() for value in running.supernet.state_dict().values())


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (lambda: make(primitives=("none", "wavelet")), "unknown primitives"),
        (lambda: make(restarts=0), "at least 1"),
    ],
)
def test_bad_input_is_named(problem, words):
    with pytest.raises(ValueError, match=words):
        problem()


def test_a_simple_law_is_written_out_though_a_look_alike_fits_a_little_better():
    x = np.linspace(1, 9, 40)[:, None]
    y = np.log(x[:, 0]) + 0.1 * np.random.default_rng(0).normal(size=40)

    def restart(number, error, *primitives):
        terms = tuple(Term(primitive=p, source=0, scale=1.0, offset=0.0) for p in primitives)
        equation = Equation(
            variables=("x",),
            nodes=(terms,),
            factors=((1.0,),),
            constants=(0.0,),
            input_scale=(1.0,),
            target_centre=(0.0,),
            target_scale=(1.0,),
        )
        return Restart(number, equation, error)

    found = [
        restart(0, 0.0100, "ln", "linear"),
        restart(1, 0.0101, "ln", "linear"),
        restart(2, 0.0102, "ln"),
        restart(3, 0.9000, "exp"),
    ]
    table = Table(x, y)
    assert [r.number for r in worth_writing(found, table, most=4)] == [2, 0]
    assert [r.number for r in worth_writing(found[:2] + found[3:], table, most=4)] == [0, 3]
