"""The recurrent space: one cell in a language model on text (DARTS §3.1.2)."""

from dartsedu.spaces.rnn.language import Dropout
from dartsedu.spaces.rnn.network import LSTMNetwork, RNNNetwork, TextNetwork, lstm_hidden
from dartsedu.spaces.rnn.operations import ACTIVATIONS, PRIMITIVES
from dartsedu.spaces.rnn.supernet import RNNSupernet, rnn_space

__all__ = [
    "ACTIVATIONS",
    "PRIMITIVES",
    "Dropout",
    "LSTMNetwork",
    "RNNNetwork",
    "RNNSupernet",
    "TextNetwork",
    "lstm_hidden",
    "rnn_space",
]
