import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from dartsedu.equation import DARTSRegressor

QUICK = {
    "num_graph_nodes": 1,
    "primitives": ("none", "linear"),
    "max_epochs": 2,
    "restarts": 2,
}


@parametrize_with_checks([DARTSRegressor(**QUICK)])
def test_scikit_learn_finds_nothing_to_object_to(estimator, check):
    check(estimator)
