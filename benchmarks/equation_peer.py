"""One fit of ``autora-theorist-darts`` for each line of input: run by ``equation_restarts.py``.

Needs no more than that package, so that it may run under an interpreter of its own. In: a JSON
object with ``X`` (rows, d), ``y`` (rows,), ``at`` (rows, d), ``seed``, ``settings`` (of its
``DARTSRegressor``). Out: ``wall`` and ``cpu`` seconds of the fit, ``predictions`` at ``at``, the
discrete graph as ``edges`` [node, source, primitive, numbers], the output's ``coefficients`` and
``bias``; or the ``error`` by which the fit ended.
"""

import json
import random
import sys
import time
import warnings
from importlib.metadata import version

import numpy as np
import torch
from autora.theorist.darts import DARTSRegressor


def fit(job: dict) -> dict:
    X, y, at = (np.array(job[name]) for name in ("X", "y", "at"))
    random.seed(job["seed"])
    np.random.seed(job["seed"])
    torch.manual_seed(job["seed"])
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        estimator = DARTSRegressor(**job["settings"]).fit(X, y)
    except (IndexError, RuntimeError, ValueError) as error:  # so its fits end after a NaN
        return {
            "error": f"{type(error).__name__}: {error}",
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
        }
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    network = estimator.model_[0]
    choices = network.alphas_normal.argmax(dim=1).tolist()
    edges, e = [], 0
    for node in range(network._steps):
        for source in range(X.shape[1] + node):
            operation = network.cells._ops[e]._ops[choices[e]]
            numbers = [float(p) for p in operation.parameters()]
            edges.append([node, source, network.primitives[choices[e]], numbers])
            e += 1
    return {
        "wall": wall,
        "cpu": cpu,
        "predictions": estimator.predict(at)[:, 0].astype(float).tolist(),
        "edges": edges,
        "coefficients": network.classifier.weight[0].tolist(),
        "bias": float(network.classifier.bias[0]),
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(json.dumps({"version": version("autora-theorist-darts")}), flush=True)
    for line in sys.stdin:
        print(json.dumps(fit(json.loads(line))), flush=True)
