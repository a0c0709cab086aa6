"""What every room stands on: immutable values, packed tensors, registries, yardsticks."""
