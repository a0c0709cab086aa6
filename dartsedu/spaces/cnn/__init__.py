"""The convolutional space: normal and reduction cells on images (DARTS §3.1)."""

from dartsedu.cnn.network import CNNNetwork, multiply_adds
from dartsedu.cnn.operations import OPERATIONS, PRIMITIVES
from dartsedu.cnn.supernet import CNNSupernet, cnn_space

__all__ = [
    "OPERATIONS",
    "PRIMITIVES",
    "CNNNetwork",
    "CNNSupernet",
    "cnn_space",
    "multiply_adds",
]
