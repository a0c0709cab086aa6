"""Random changes to a batch of images, each drawn for every image by itself.

All take images (N, C, H, W) of any type and a CPU ``torch.Generator``, so that a batch is the
same on every device.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def random_crop(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Pad with zeros on all sides, then cut the original size out at a random place."""
    count, _, height, width = images.shape
    padded = F.pad(images, (padding,) * 4)
    shift = torch.randint(0, 2 * padding + 1, (2, count), generator=generator).to(images.device)
    rows = shift[0, :, None] + torch.arange(height, device=images.device)
    columns = shift[1, :, None] + torch.arange(width, device=images.device)
    which = torch.arange(count, device=images.device)[:, None, None]
    # Advanced indices around the sliced channel axis put it last.
    return padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def random_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror left and right with probability 1/2."""
    flipped = torch.rand(images.shape[0], generator=generator) < 0.5
    return torch.where(flipped.to(images.device)[:, None, None, None], images.flip(3), images)


def cutout(images: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Set a square of side ``length`` around a random pixel to zero (DeVries and Taylor 2017).

    The square may reach over the border. Meant for normalised images, where zero is the mean.
    """
    count, _, height, width = images.shape
    kept = []
    for size in (height, width):
        centre = torch.randint(0, size, (count, 1), generator=generator).to(images.device)
        start = centre - length // 2
        pixels = torch.arange(size, device=images.device)
        kept.append((pixels < start) | (pixels >= start + length))
    rows, columns = kept
    return images * (rows[:, None, :, None] | columns[:, None, None, :])


def gaussian_noise(images: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Add independent normal noise of standard deviation ``sigma`` to every pixel."""
    noise = torch.randn(images.shape, generator=generator, dtype=images.dtype)
    return images + sigma * noise.to(images.device)
