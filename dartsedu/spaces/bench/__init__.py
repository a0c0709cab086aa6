"""The benchmark's space: one cell of six edges, small enough to train every one (NAS-Bench-201)."""

from dartsedu.spaces.bench.network import BenchNetwork
from dartsedu.spaces.bench.operations import OPERATIONS, PRIMITIVES
from dartsedu.spaces.bench.supernet import BenchSupernet, bench_space

__all__ = ["OPERATIONS", "PRIMITIVES", "BenchNetwork", "BenchSupernet", "bench_space"]
