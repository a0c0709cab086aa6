// Scenes that the browser computes by itself, by the name of the explorer's `compute`. Each function is
// given the explorer's data, the values of its controls and the scene of the start to change; the
// Python beside it gives the same (tests/lessons/test_compute.py).

/** Functions (data, values, start) → scene. */
export const COMPUTE = {};
