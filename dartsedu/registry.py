"""Where the tensors of a module stand, looked up once.

To walk through hundreds of modules, as ``state_dict`` and ``functional_call`` do each time, takes
longer than a small cell's pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn


class Registry:
    """The parameters and buffers of a module, whatever takes their places later.

    Modules, parameters and buffers that are added later are not seen.
    """

    def __init__(self, module: nn.Module) -> None:
        self._places = [
            (f"{prefix}.{name}" if prefix else name, registry, name)
            for prefix, part in module.named_modules(remove_duplicate=False)
            for registry in (part._parameters, part._buffers)
            for name, tensor in registry.items()
            if tensor is not None and name not in part._non_persistent_buffers_set
        ]

    def state(self) -> dict[str, Tensor | None]:
        """What ``state_dict`` gives, not detached."""
        return {whole: registry[name] for whole, registry, name in self._places}

    @contextmanager
    def replaced(self, others: Mapping[Tensor, Tensor]) -> Iterator[None]:
        """Inside, others stand in the places of some tensors, in all places of each."""
        places = [(registry, name, registry[name]) for _, registry, name in self._places]
        changed = [(r, name, tensor) for r, name, tensor in places if tensor in others]
        for registry, name, tensor in changed:
            registry[name] = others[tensor]
        try:
            yield
        finally:
            for registry, name, tensor in changed:
                registry[name] = tensor
