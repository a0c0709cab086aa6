"""The convolutional space: normal and reduction cells on images (DARTS §3.1)."""

from dartsedu.spaces.cnn.network import CNNNetwork
from dartsedu.spaces.cnn.operations import OPERATIONS, PRIMITIVES
from dartsedu.spaces.cnn.supernet import CNNSupernet, cnn_space

__all__ = [
    "OPERATIONS",
    "PRIMITIVES",
    "CNNNetwork",
    "CNNSupernet",
    "cnn_space",
]
