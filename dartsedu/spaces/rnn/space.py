"""The recurrent space as the rest of the package sees it."""

from __future__ import annotations

from collections.abc import Mapping

from dartsedu.base.yardstick import perplexity
from dartsedu.data.ngrams import reference_losses
from dartsedu.data.text import END, TextSplit
from dartsedu.data.texts import TextTask
from dartsedu.genotype import Genotype
from dartsedu.network import Network
from dartsedu.relaxation import Supernet
from dartsedu.spaces.rnn import memory
from dartsedu.spaces.rnn.language import Dropout
from dartsedu.spaces.rnn.network import LSTMNetwork, RNNNetwork, TextNetwork, lstm_hidden
from dartsedu.spaces.rnn.operations import PRIMITIVES
from dartsedu.spaces.rnn.settings import RNNSettings, RNNTrainSettings
from dartsedu.spaces.rnn.supernet import RNNSupernet, rnn_space
from dartsedu.spaces.rnn.words import APPEARANCE, OFFICIAL, VOCABULARY
from dartsedu.spaces.space import Space
from dartsedu.topology import SearchSpace
from dartsedu.train import Training

SAMPLE_WORDS = 80
"""Words that a language model writes for the report."""


class RNNSpace(Space):
    """A recurrent cell in a language model (DARTS §3.1.2)."""

    name = "rnn"
    vocabulary = VOCABULARY
    appearance = APPEARANCE
    settings = RNNSettings
    tasks = TextTask
    default_preset = "rnn-classroom"
    official = OFFICIAL
    search_sizes = ("supernet.hidden", "supernet.nodes", "search.batch_size", "search.bptt")
    training_sizes = ("train.hidden", "train.batch_size", "train.bptt")
    kinds: Mapping[str, str] = {**Space.kinds, "lstm": "LSTM"}
    reference_words: Mapping[str, str] = {
        "unigram": "words by their frequency alone",
        "bigram": "words by the one before them",
        "floor": "the least that is possible",
    }

    def published(self) -> Mapping[str, Genotype]:
        from dartsedu.spaces.rnn.published import PUBLISHED  # Genotypes ask for this space's words.

        return PUBLISHED

    def search_space(self, settings: RNNSettings, task: TextTask | None = None) -> SearchSpace:
        given = settings.supernet
        return rnn_space(given.nodes, PRIMITIVES if given.primitives is None else given.primitives)

    def supernet(self, space: SearchSpace, settings: RNNSettings, task: TextTask) -> Supernet:
        given = settings.supernet
        return RNNSupernet(
            space,
            words=len(task.words),
            hidden=given.hidden,
            dropout=Dropout(**given.dropout.model_dump()),
            activation=given.activation,
            slowness=given.slowness,
            alpha_scale=given.alpha_scale,
            fast=given.fast,
        )

    def network(
        self, genotype: Genotype | None, train: RNNTrainSettings, task: TextTask, size: int
    ) -> Network:
        words = len(task.words)
        regular = (Dropout(**train.dropout.model_dump()), train.activation, train.slowness)
        if genotype is None:
            return LSTMNetwork(words, lstm_hidden(size, words), *regular)
        return RNNNetwork(genotype, words, train.hidden, *regular)

    def search_memory(self, settings: RNNSettings, task: TextTask) -> int:
        return memory.search_memory(settings, task)

    def training_memory(self, train: RNNTrainSettings, task: TextTask, genotype: Genotype) -> int:
        return memory.training_memory(train, task, genotype)

    def rivals(self, train: RNNTrainSettings) -> Mapping[str, int]:
        """LSTMs with as many parameters as the genotype's network."""
        return {"lstm": train.lstms}

    def written(self, training: Training, seed: int) -> Mapping[str, str]:
        """A sample of what the language model writes."""
        network, task = training.network, training.task
        assert isinstance(network, TextNetwork)
        assert isinstance(task, TextTask)
        words = network.write(task.words.index(END), SAMPLE_WORDS, seed)
        return {"sample": " ".join(task.words[word] for word in words)}

    def references(self, task: TextTask) -> Mapping[str, float]:
        """Perplexities of counted words and, where it is known, the least that is possible."""
        assert isinstance(task.training, TextSplit)
        assert isinstance(task.test, TextSplit)
        losses = reference_losses(task.training, task.test, len(task.words))
        floor = {} if task.floor is None else {"floor": task.floor}
        return {name: perplexity(loss) for name, loss in losses.items()} | floor


SPACE = RNNSpace()
