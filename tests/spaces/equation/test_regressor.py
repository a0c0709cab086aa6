import math
import pickle

import joblib
import numpy as np
import pytest
import sympy as sp
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from dartsedu.data.laws import find_law
from dartsedu.data.splits import Batch
from dartsedu.spaces.equation import (
    OPERATIONS,
    DARTSExecutionMonitor,
    DARTSRegressor,
    Equation,
    EquationSupernet,
    Output,
    Table,
    equation_space,
    formula,
)
from dartsedu.spaces.equation.drawing import equation_dot, equation_lines, in_data_units
from dartsedu.spaces.equation.expression import Term
from dartsedu.spaces.equation.recovery import recovered
from dartsedu.spaces.equation.supernet import CELL

QUICK = {
    "num_graph_nodes": 1,
    "primitives": ("none", "linear"),
    "max_epochs": 2,
    "param_updates_per_epoch": 2,
    "restarts": 2,
}
LINEAR = QUICK | {"primitives": ("linear",)}


@parametrize_with_checks([DARTSRegressor(**QUICK)])
def test_scikit_learn_finds_nothing_to_object_to(estimator, check):
    check(estimator)


def line(rows=30, seed=0):
    X = np.random.default_rng(seed).uniform(1, 4, (rows, 2))
    return X, 2 * X[:, 0] - X[:, 1] + 3


# ---- Laws ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["weber-fechner", "michaelis-menten"])
def explained(request):
    law = find_law(request.param)
    X, y = law.sample(200, noise=0.02, seed=0)
    return law, X, y, DARTSRegressor(random_state=0).fit(X, y)


def test_a_law_is_found_again(explained):
    law, X, _, regressor = explained
    (name,) = law.variables
    found = regressor.sympy().subs(sp.Symbol("x1", real=True), sp.Symbol(name))
    assert recovered(found, law, noise=0.02).equivalent
    truth = law.function(X)
    assert np.square(regressor.predict(X) - truth).mean() < 1e-3 * truth.var()


def test_predictions_are_those_of_the_expression(explained):
    _, X, _, regressor = explained
    expression = regressor.sympy()
    (symbol,) = expression.free_symbols
    exact = [float(expression.subs(symbol, x)) for x in X[:10, 0]]
    assert regressor.predict(X[:10]) == pytest.approx(exact, rel=1e-9)


def test_outside_the_domain_predictions_are_still_numbers(explained):
    regressor = explained[-1]
    X = np.array([[0.0], [-1.0], [-1e6], [1e6]])
    assert np.isfinite(regressor.predict(X)).all()


def test_what_was_found_can_be_looked_at(explained):
    _, X, y, regressor = explained
    assert regressor.X_ is X
    assert regressor.y_ is y
    assert regressor.equation_ is regressor.model_ is regressor.discovery_.equation
    assert regressor.formula_ is regressor.discovery_.formula
    assert regressor.latex() == regressor.formula_.latex()
    assert len(regressor.discovery_.restarts) == 64
    assert regressor.network_.restarts == 64


# ---- Kinds of output ----------------------------------------------------------------------------


def chances(rows=60):
    X = np.random.default_rng(0).uniform(-2, 2, (rows, 1))
    p = 1 / (1 + np.exp(-(1.5 * X[:, 0] - 0.5)))
    return X, p


@pytest.mark.parametrize("kind", ["sigmoid", "probability", "probability_sample"])
def test_numbers_between_0_and_1(kind):
    X, p = chances()
    regressor = DARTSRegressor(**LINEAR | {"output_type": kind}, random_state=0).fit(X, p)
    assert regressor.predict(X) == pytest.approx(p, abs=1e-3)
    assert regressor.formula_ is None
    exact = [float(regressor.sympy().subs(sp.Symbol("x1", real=True), x)) for x in X[:5, 0]]
    assert regressor.predict(X[:5]) == pytest.approx(exact, rel=1e-9)
    assert "logistic" in regressor.model_repr()


def test_a_distribution_over_outcomes():
    X, p = chances()
    y = np.stack([p, 1 - p], axis=1)
    regressor = DARTSRegressor(
        **LINEAR | {"output_type": "probability_distribution"}, random_state=0
    ).fit(X, y)
    found = regressor.predict(X)
    assert found.sum(1) == pytest.approx(1)
    assert found == pytest.approx(y, abs=1e-3)
    at = {sp.Symbol("x1", real=True): X[0, 0]}
    exact = [float(regressor.sympy(output).subs(at)) for output in (0, 1)]
    assert found[0] == pytest.approx(exact, rel=1e-9)


def test_a_distribution_over_one_column_is_the_chance_of_one_outcome():
    X, p = chances()
    one, other = (
        DARTSRegressor(**LINEAR | {"output_type": kind}, random_state=0).fit(X, p).predict(X)
        for kind in ("probability_distribution", "probability")
    )
    assert one == pytest.approx(p, abs=1e-3)
    assert (one == other).all()


def test_predictions_have_the_shape_of_the_targets():
    X, y = line()
    for targets in (y, y[:, None], np.stack([y, -y], axis=1)):
        regressor = DARTSRegressor(**LINEAR, random_state=0).fit(X, targets)
        assert regressor.predict(X).shape == targets.shape
        assert regressor.predict(X) == pytest.approx(targets, rel=1e-4)
        outputs = targets[0].size
        assert len(regressor.model_repr().splitlines()) == len(["Model:", "k1"]) + outputs


def test_fixed_output_coefficients_stay_1_and_0():
    X, y = line()
    settings = LINEAR | {"train_classifier_coefficients": False, "train_classifier_bias": False}
    regressor = DARTSRegressor(**settings, random_state=0).fit(X, y)
    assert regressor.model_.factors == ((1.0,),)
    assert regressor.model_.constants == (0.0,)
    assert regressor.model_.target_scale == (1.0,)
    assert regressor.predict(X) == pytest.approx(y, rel=1e-4)
    assert regressor.model_repr().endswith("y1 = 1.00 * k1 + 0.00")


# ---- As text and as a graph ---------------------------------------------------------------------

EVERY = Equation(
    variables=("x", "z"),
    nodes=(
        (
            Term(primitive="linear_exp", source=0, scale=2.0, offset=-1.0),
            Term(primitive="subtract", source=1, scale=-1.0, offset=0.0),
        ),
        (
            Term(primitive="power", source=0, scale=1.5, offset=0.0),
            Term(primitive="linear_reciprocal", source=1, scale=2.0, offset=3.0),
            Term(primitive="logistic", source=2, scale=1.0, offset=0.0),
        ),
        (),
    ),
    factors=((1.0, -0.5, 0.0),),
    constants=(0.25,),
    input_scale=(1.0, 1.0),
    target_centre=(0.0,),
    target_scale=(1.0,),
)


def test_an_equation_node_by_node():
    assert equation_lines(EVERY, ["x", "z"], ["y"]) == [
        "k1 = exp(2.00 * x - 1.00) - z",
        "k2 = x^1.50 + 1 / (2.00 * z + 3.00) + logistic(k1)",
        "k3 = 0",
        "y = 1.00 * k1 - 0.50 * k2 + 0.00 * k3 + 0.25",
    ]
    assert equation_lines(EVERY, ["x", "z"], ["y"], "f", 1, "latex") == [
        r"k_1 = e^{2.0 x - 1.0} - z",
        r"k_2 = x^{1.5} + \frac{1}{2.0 z + 3.0} + \sigma\left(k_1\right)",
        "k_3 = 0",
        r"y = \operatorname{f}\left(1.0 k_1 - 0.5 k_2 + 0.0 k_3 + 0.2\right)",
    ]


@pytest.mark.parametrize("primitive", OPERATIONS)
def test_units_move_into_the_coefficients(primitive):
    a, b = OPERATIONS[primitive].scale, OPERATIONS[primitive].offset
    term = Term(
        primitive=primitive,
        source=0,
        scale=0.7 if a is None else a,
        offset=0.4 if b is None else b,
    )
    equation = Equation(
        variables=("x",),
        nodes=((term,),),
        factors=((1.3,), (-0.2,)),
        constants=(0.5, 0.1),
        input_scale=(2.5,),
        target_centre=(3.0, 0.0),
        target_scale=(4.0, 1.0),
    )
    X = np.linspace(0.2, 3, 9)[:, None]
    converted = in_data_units(equation)
    assert converted.input_scale == (1.0,)
    assert converted.predict(X) == pytest.approx(equation.predict(X), rel=1e-12)


def test_the_graph_has_an_edge_for_each_term():
    source = equation_dot(EVERY, ["x", "z"], ["y"]).source
    assert source.count("->") == 5 + 3
    assert "exp(2.00 * x - 1.00)" in source
    assert "-0.50 * x" in source


def test_labels_of_the_user():
    X, y = line()
    regressor = DARTSRegressor(**LINEAR, random_state=0).fit(X, y)
    text = regressor.model_repr(["heat", "time"], ["score"], "f", 3)
    assert text.startswith("Model:\nk1 = ")
    assert "heat" in text
    assert "score = f(" in text
    assert "heat" in regressor.visualize_model(["heat", "time"]).source
    with pytest.raises(ValueError, match="input_labels has 1 names; expected 2"):
        regressor.model_repr(["heat"])
    with pytest.raises(ValueError, match="either 'latex' or 'console'"):
        regressor.model_repr(output_format="html")


def test_a_variable_may_have_the_name_of_a_constant():
    x = np.linspace(1, 2, 20)[:, None]
    symbol = sp.Symbol("c0", real=True)
    found = formula(2.5 * symbol + sp.Float(1.5), ["c0"], Table(x, 3 * x[:, 0] + 0.5))
    assert found.predict(x) == pytest.approx(3 * x[:, 0] + 0.5)


# ---- The search ---------------------------------------------------------------------------------


def test_the_monitor_is_told_of_every_epoch():
    told = []
    X, y = line()
    settings = QUICK | {"max_epochs": 3, "arch_updates_per_epoch": 2}
    regressor = DARTSRegressor(**settings, execution_monitor=lambda **kw: told.append(kw))
    regressor.fit(X, y)
    assert [kw["epoch"] for kw in told] == [0, 1, 2]
    assert told[0].keys() >= {"network", "X", "y", *regressor.get_params()}
    assert told[0]["X"] is X
    network = told[-1]["network"]
    assert network.primitives == ("none", "linear")
    (alpha,) = network.arch_parameters()
    assert alpha.shape == (2, 2)
    assert isinstance(told[-1]["architect"].current_loss, float)


def test_a_monitor_that_draws():
    monitor = DARTSExecutionMonitor()
    with pytest.raises(ValueError, match="no epoch"):
        monitor.display()
    DARTSRegressor(**QUICK, execution_monitor=monitor.execution_monitor).fit(*line())
    assert monitor.epoch_history == [0, 1]
    assert [alpha.shape for alpha in monitor.arch_weight_history] == [(2, 2, 2)] * 2
    shown = monitor.display()
    assert len(shown.loss_ax.lines) == 1
    assert [len(axis.lines) for axis in shown.arch_axes.flat] == [2, 2, 0, 0]


@pytest.mark.parametrize(
    ("epochs", "architecture", "weights", "steps"),
    [(2, 1, 3, (2, 6)), (2, 2, 3, (4, 8)), (2, 3, 1, (6, 6)), (3, 0, 5, (0, 0)), (0, 1, 1, (0, 0))],
)
def test_steps_of_an_epoch(monkeypatch, epochs, architecture, weights, steps):
    from dartsedu.search import Search

    done = {"architecture": 0, "weights": 0}

    def counted(name, method):
        def count(*args):
            done[name] += 1
            return method(*args)

        return count

    monkeypatch.setattr(Search, "_move_alphas", counted("architecture", Search._move_alphas))
    monkeypatch.setattr(Search, "_move_weights", counted("weights", Search._move_weights))
    settings = QUICK | {
        "max_epochs": epochs,
        "arch_updates_per_epoch": architecture,
        "param_updates_per_epoch": weights,
        "batch_size": 7,
    }
    X, y = line()
    regressor = DARTSRegressor(**settings, random_state=0).fit(X, y)
    assert (done["architecture"], done["weights"]) == steps
    assert regressor.predict(X).shape == y.shape


@pytest.mark.parametrize(
    "settings",
    [
        {"darts_type": "fair"},
        {"architect": "exact"},
        {"architect": "finite-difference"},
        {"sampling_strategy": "sample"},
        {"grad_clip": None},
        {"primitives": ["none", "power", "ln", "linear_reciprocal"], "num_graph_nodes": 2},
    ],
)
def test_every_setting_fits(settings):
    X, y = line()
    found = DARTSRegressor(**QUICK | settings, random_state=0).fit(X, y).predict(X)
    assert np.isfinite(found).all()


def test_the_same_random_state_gives_the_same_equation_from_the_start():
    X, y = line()
    torch.manual_seed(0)
    first = DARTSRegressor(**QUICK, random_state=3).fit(X, y)
    found, state = first.predict(X), torch.random.get_rng_state()
    assert np.array_equal(first.fit(X, y).predict(X), found)  # No warm start.
    assert np.array_equal(clone(first).fit(X, y).predict(X), found)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_without_steps_a_second_fit_keeps_the_architecture():
    X, y = line()
    regressor = DARTSRegressor(**QUICK, random_state=0).fit(X, y)
    found, text = regressor.network_.alphas[CELL].clone(), regressor.model_repr()
    other = regressor.set_params(max_epochs=0).fit(X, -3 * y)
    assert torch.equal(other.network_.alphas[CELL], found)
    assert other.model_repr() != text
    graph = regressor.set_params(num_graph_nodes=2).fit(X, y)  # Another graph starts anew.
    assert graph.network_.alphas[CELL].shape != found.shape


def test_the_start_can_be_chosen():
    def at_two(module):
        if isinstance(module, EquationSupernet):
            torch.nn.init.constant_(module.scale, 2.0)

    settings = QUICK | {
        "init_weights_function": at_two,
        "max_epochs": 0,
        "param_updates_for_sampled_model": 0,
    }
    regressor = DARTSRegressor(**settings).fit(*line())
    assert (regressor.network_.scale == 2).all()


def test_penalties_move_what_they_should():
    space = equation_space(1, 1, ("none", "add", "linear"), relaxation="sigmoid")
    batch = Batch(torch.ones(4, 1).double(), torch.ones(4, 1).double())
    prices = {"complexity": 0.3, "presence": 0.2, "zero_one": 0.7, "output_decay": 0.5}

    def built(**extra):
        torch.manual_seed(0)
        return EquationSupernet(space, restarts=2, output=Output(), alpha_scale=1.0, **extra)

    plain, priced = built(), built(**prices)
    added = priced.loss(batch).losses - plain.loss(batch).losses
    weights = torch.sigmoid(plain.alphas[CELL])[:, 0]
    by_hand = 0.2 * weights[:, 1] + (0.2 + 2 * 0.3) * weights[:, 2]
    by_hand = by_hand - 0.7 * (weights - 0.5).square().mean(1)
    assert torch.allclose(added, by_hand)
    assert plain.loss(batch).penalty is None
    (slope,) = torch.autograd.grad(priced.loss(batch).penalty, [priced.output_scale])
    assert torch.allclose(slope, 0.5 * priced.output_scale)


# ---- Among scikit-learn's tools -----------------------------------------------------------------


def test_in_a_pipeline_a_grid_search_and_a_cross_validation():
    X, y = line(40)
    regressor = DARTSRegressor(**LINEAR, random_state=0)
    assert make_pipeline(StandardScaler(), regressor).fit(X, y).score(X, y) > 0.99
    grid = {"num_graph_nodes": [1, 2], "arch_weight_decay_df": [0.0, 1e-2]}
    search = GridSearchCV(regressor, grid, cv=2).fit(X, y)
    assert search.best_params_.keys() == grid.keys()
    assert cross_val_score(regressor, X, y, cv=2).min() > 0.99


def test_a_fitted_regressor_can_be_kept(tmp_path):
    X, y = line()
    regressor = DARTSRegressor(**LINEAR, random_state=0).fit(X, y)
    joblib.dump(regressor, tmp_path / "regressor")
    for kept in (pickle.loads(pickle.dumps(regressor)), joblib.load(tmp_path / "regressor")):
        assert np.array_equal(kept.predict(X), regressor.predict(X))
        assert kept.model_repr() == regressor.model_repr()


def test_names_of_a_data_frame():
    pandas = pytest.importorskip("pandas")
    X, y = line()
    frame = pandas.DataFrame(X, columns=["c0", "reaction time"])
    regressor = DARTSRegressor(**LINEAR, random_state=0).fit(frame, pandas.Series(y, name="score"))
    assert list(regressor.feature_names_in_) == ["c0", "reaction time"]
    assert {s.name for s in regressor.sympy().free_symbols} == {"c0", "reaction time"}
    assert "reaction time" in regressor.model_repr()
    assert regressor.model_repr().splitlines()[-1].startswith("score = ")
    assert regressor.predict(frame) == pytest.approx(y, rel=1e-4)


# ---- Errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"primitives": ("none", "linn")}, r"unknown primitives \['linn'\]; expected some of"),
        ({"primitives": "linear"}, r"DARTSRegressor\.primitives"),
        ({"output_type": "class"}, r"output_type: .*'probability_distribution'.*given: 'class'"),
        ({"darts_type": "fare"}, r"darts_type: .*'original' or 'fair'"),
        ({"sampling_strategy": "best"}, r"sampling_strategy: .*'max' or 'sample'"),
        ({"architect": "second"}, r"architect: .*'first-order'"),
        ({"num_graph_nodes": 0}, r"num_graph_nodes: .*greater than or equal to 1 \(given: 0\)"),
        ({"restarts": 0}, "restarts"),
        ({"max_epochs": -1}, "max_epochs"),
        ({"param_updates_per_epoch": 0}, "param_updates_per_epoch"),
        ({"architecture_share": 1.0}, "architecture_share"),
        ({"arch_learning_rate_max": math.nan}, "arch_learning_rate_max"),
    ],
)
def test_a_bad_parameter_is_named(settings, message):
    with pytest.raises(ValueError, match=message) as bad:
        DARTSRegressor(**QUICK | settings).fit(*line())
    assert isinstance(bad.value, NotImplementedError)  # As AutoRA has it.


def test_numbers_of_numpy_are_numbers():
    settings = QUICK | {"num_graph_nodes": np.int64(1), "grad_clip": np.float32(5)}
    DARTSRegressor(**settings).fit(*line())


def test_bad_data_is_refused():
    X, y = line()
    with pytest.raises(ValueError, match="minimum of 5 is required"):
        DARTSRegressor(**QUICK).fit(X[:4], y[:4])
    with pytest.raises(ValueError, match=r"expects numbers in 0…1"):
        DARTSRegressor(**QUICK | {"output_type": "sigmoid"}).fit(X, y)
    with pytest.raises(NotFittedError):
        DARTSRegressor().model_repr()
    fitted = DARTSRegressor(**QUICK).fit(X, y)
    with pytest.raises(ValueError, match="X has 1 features, but DARTSRegressor is expecting 2"):
        fitted.predict(X[:, :1])
