"""The benchmark's space: one cell of six edges, small enough to train every one (NAS-Bench-201)."""
