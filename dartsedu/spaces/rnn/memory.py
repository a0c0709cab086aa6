"""How much memory a recurrent cell needs at the least, see ``spaces.memory``."""

from __future__ import annotations

from dartsedu.data.texts import TextTask
from dartsedu.genotype import Genotype
from dartsedu.spaces.memory import FLOAT, copies, dense_edges
from dartsedu.spaces.rnn.operations import PRIMITIVES
from dartsedu.spaces.rnn.settings import RNNSettings, RNNTrainSettings


def search_memory(settings: RNNSettings, task: TextTask) -> int:
    """Bytes that the search of ``settings`` needs at the least."""
    inner, search = settings.supernet, settings.search
    edges = dense_edges(1, inner.nodes)
    w = _weights(len(task.words), inner.hidden, inner.nodes)
    alphas = edges * len(PRIMITIVES if inner.primitives is None else inner.primitives)
    states = edges * search.batch_size * search.bptt * inner.hidden
    return FLOAT * (copies(search.weights) * w + 4 * alphas + states)


def training_memory(train: RNNTrainSettings, task: TextTask, genotype: Genotype) -> int:
    """Bytes that the training of ``genotype`` needs at the least."""
    nodes = len(genotype.cells[0].nodes)
    w = _weights(len(task.words), train.hidden, nodes)
    states = nodes * train.batch_size * train.bptt * train.hidden
    return FLOAT * (copies(train.weights) * w + states)


def _weights(words: int, hidden: int, nodes: int) -> int:
    """Numbers of w in embedding, first matrices and those of the nodes."""
    return words * hidden + words + 4 * hidden**2 + nodes * 2 * hidden**2
