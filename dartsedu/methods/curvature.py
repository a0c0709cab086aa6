"""How sharp the valley is in which α lies: the largest eigenvalue of ∂²L_val / ∂α².

Where it grows, a mixture of low loss may lose much when it is cut to a genotype (Zela et al. 2020,
§4; the discretisation gap grows with it).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor

from dartsedu.base.packing import as_vector
from dartsedu.relaxation import Supernet

MOST_FULL = 64
"""Entries of α up to which the whole matrix is made; beyond it, products with it."""


class Curvature:
    """∂²L / ∂α² on one batch, at the present α and w: all cells jointly, row after row.

    With the batch's own BatchNorm statistics. Leaves no trace in the supernet. Keeps the graph of
    one pass, until it is thrown away.
    """

    def __init__(self, supernet: Supernet, batch: Any) -> None:
        self._alphas = list(supernet.alphas.values())
        devices = sorted({alpha.device.index for alpha in self._alphas if alpha.is_cuda})
        w = supernet.vector().detach()
        with (
            torch.enable_grad(),
            supernet.frozen(),
            torch.random.fork_rng(devices),
            supernet.at(w, twice=True),
        ):
            loss = supernet.loss(batch).loss
            slopes = torch.autograd.grad(loss, self._alphas, create_graph=True)
        self.slope = as_vector(slope.contiguous() for slope in slopes)
        self.size = self.slope.numel()

    def times(self, vector: Tensor) -> Tensor:
        """The product of the matrix with a vector, exactly (by a second derivation)."""
        parts = torch.autograd.grad(
            self.slope, self._alphas, vector.to(self.slope), retain_graph=True, allow_unused=True
        )
        pairs = zip(parts, self._alphas, strict=True)
        return as_vector(torch.zeros_like(a) if p is None else p.contiguous() for p, a in pairs)

    def matrix(self) -> Tensor:
        """The matrix itself, (size, size), by so many products."""
        return torch.stack([self.times(row) for row in torch.eye(self.size)])

    def largest(self) -> float:
        """Its largest eigenvalue, with its sign (so not the largest by size)."""
        if self.size <= MOST_FULL:
            return self._largest_of_all()

        def times(vector: NDArray[np.float64]) -> NDArray[np.float64]:
            return self.times(torch.from_numpy(vector.ravel())).double().cpu().numpy()

        operator = LinearOperator((self.size, self.size), matvec=times, dtype=np.float64)
        start = np.random.default_rng(0).standard_normal(self.size)
        try:
            (found,) = eigsh(operator, k=1, which="LA", v0=start, return_eigenvectors=False)
        except ArpackError:  # Of a matrix of zeros, for instance.
            return self._largest_of_all()
        return float(found)

    def _largest_of_all(self) -> float:
        return float(torch.linalg.eigvalsh(self.matrix().double())[-1])
