"""Learn differentiable architecture search (DARTS) by watching it happen.

The names below are enough for a whole search; each lives in the module that says how it works.

>>> from dartsedu import CNNSupernet, Search, cnn_space, load_preset, load_task
>>> task = load_task("digits")
>>> supernet = CNNSupernet(cnn_space(nodes=2), image_channels=1, channels=4, cells=3)
>>> search = Search(supernet, task, load_preset("classroom").search)
>>> step = next(search)
>>> sorted(step.loss)
['architecture', 'weights']

Importing ``dartsedu`` itself loads nothing; a name loads its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dartsedu.architect import Exact, FiniteDifference, FirstOrder, VirtualStep
    from dartsedu.dashboard import compare, live, replay
    from dartsedu.data.tasks import load_task
    from dartsedu.derivation import derive
    from dartsedu.discretisation import discretisation_gap
    from dartsedu.genotype import Genotype, random_genotype
    from dartsedu.presets import load_preset
    from dartsedu.published import PUBLISHED
    from dartsedu.relaxation import MixedOp, Supernet, mixture_weights
    from dartsedu.search import Search
    from dartsedu.spaces.bench.network import BenchNetwork
    from dartsedu.spaces.bench.supernet import BenchSupernet, bench_space
    from dartsedu.spaces.classifier import multiply_adds
    from dartsedu.spaces.cnn import CNNNetwork, CNNSupernet, cnn_space
    from dartsedu.spaces.equation import DARTSExecutionMonitor, DARTSRegressor
    from dartsedu.spaces.rnn import LSTMNetwork, RNNNetwork, RNNSupernet, rnn_space
    from dartsedu.stream.recording import Recording, recorded
    from dartsedu.stream.stream import Step, until
    from dartsedu.train import Training, evaluate
    from dartsedu.truth.table import load_truth

__version__ = "0.1.0"

_HOME = {
    "architect": ("Exact", "FiniteDifference", "FirstOrder", "VirtualStep"),
    "dashboard": ("compare", "live", "replay"),
    "data.tasks": ("load_task",),
    "derivation": ("derive",),
    "discretisation": ("discretisation_gap",),
    "genotype": ("Genotype", "random_genotype"),
    "presets": ("load_preset",),
    "published": ("PUBLISHED",),
    "relaxation": ("MixedOp", "Supernet", "mixture_weights"),
    "search": ("Search",),
    "spaces.bench.network": ("BenchNetwork",),
    "spaces.bench.supernet": ("BenchSupernet", "bench_space"),
    "spaces.classifier": ("multiply_adds",),
    "spaces.cnn": ("CNNNetwork", "CNNSupernet", "cnn_space"),
    "spaces.equation": ("DARTSExecutionMonitor", "DARTSRegressor"),
    "spaces.rnn": ("LSTMNetwork", "RNNNetwork", "RNNSupernet", "rnn_space"),
    "stream.recording": ("Recording", "recorded"),
    "stream.stream": ("Step", "until"),
    "train": ("Training", "evaluate"),
    "truth.table": ("load_truth",),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "PUBLISHED",
    "BenchNetwork",
    "BenchSupernet",
    "CNNNetwork",
    "CNNSupernet",
    "DARTSExecutionMonitor",
    "DARTSRegressor",
    "Exact",
    "FiniteDifference",
    "FirstOrder",
    "Genotype",
    "LSTMNetwork",
    "MixedOp",
    "RNNNetwork",
    "RNNSupernet",
    "Recording",
    "Search",
    "Step",
    "Supernet",
    "Training",
    "VirtualStep",
    "bench_space",
    "cnn_space",
    "compare",
    "derive",
    "discretisation_gap",
    "evaluate",
    "live",
    "load_preset",
    "load_task",
    "load_truth",
    "mixture_weights",
    "multiply_adds",
    "random_genotype",
    "recorded",
    "replay",
    "rnn_space",
    "until",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'dartsedu' has no attribute {name!r}")
    return getattr(import_module(f"dartsedu.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
