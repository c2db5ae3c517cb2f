"""Sum-product decoding as a Python program for key distribution has it: numba, flooding, f64, tanh rule."""

import numpy as np
from numba import njit


class Textbook:
    """Edges in order of checks: `first[c]` to `first[c + 1]` are those of check c, `variable[e]` their columns."""

    def __init__(self, matrix, max_iterations):
        self.first = matrix.indptr.astype(np.int64)
        self.variable = matrix.indices.astype(np.int64)
        self.max_iterations = max_iterations

    def decode(self, prior, syndrome):
        """Decision and iterations."""
        return _decode(self.first, self.variable, prior, syndrome, self.max_iterations)


@njit
def _decode(first, variable, prior, syndrome, max_iterations):
    checks, edges = len(first) - 1, len(variable)
    to_check = np.empty(edges)
    to_variable = np.empty(edges)
    decision = np.zeros(len(prior), dtype=np.uint8)
    for e in range(edges):
        to_check[e] = prior[variable[e]]
    for iteration in range(1, max_iterations + 1):
        # u = 2 artanh of the product of tanh(v/2) over the other edges.
        for c in range(checks):
            before = 1.0 - 2.0 * syndrome[c]
            for e in range(first[c], first[c + 1]):
                to_check[e] = np.tanh(to_check[e] / 2.0)
                to_variable[e] = before
                before *= to_check[e]
            behind = 1.0
            for e in range(first[c + 1] - 1, first[c] - 1, -1):
                product = min(max(to_variable[e] * behind, -1.0 + 1e-15), 1.0 - 1e-15)
                to_variable[e] = 2.0 * np.arctanh(product)
                behind *= to_check[e]
        posterior = prior.copy()
        for e in range(edges):
            posterior[variable[e]] += to_variable[e]
        for v in range(len(prior)):
            decision[v] = posterior[v] < 0.0
        satisfied = True
        for c in range(checks):
            parity = syndrome[c]
            for e in range(first[c], first[c + 1]):
                parity ^= decision[variable[e]]
            if parity:
                satisfied = False
                break
        if satisfied:
            return decision, iteration
        for e in range(edges):
            to_check[e] = posterior[variable[e]] - to_variable[e]
    return decision, max_iterations
