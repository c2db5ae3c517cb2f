#!/usr/bin/env python3
"""Posterior of scikit-learn's Gaussian process, for tests/gaussian.rs: python3 tests/data/gaussian.py > tests/data/gaussian.csv

Points are a lattice (fractional parts of multiples of square roots), so that both sides make the same ones."""
import sys

import numpy as np
import sklearn
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

LENGTHS, SIGNAL, NOISE = [0.6, 1.7, 0.9], 2.5, 0.04


def lattice(start, count):
    i = np.arange(start, start + count)[:, None]
    return 4.0 * np.modf(i * np.sqrt([2.0, 3.0, 5.0]))[0] - 2.0


def function(x):
    return np.sin(2.0 * x[:, 0]) + 0.5 * x[:, 1] ** 2 - x[:, 2]


x, queries = lattice(1, 80), lattice(1001, 20)
y = function(x)
kernel = ConstantKernel(SIGNAL) * Matern(LENGTHS, nu=2.5) + WhiteKernel(NOISE)
# Its mean is zero: ours is given as 0 where they are compared.
process = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(x, y)
mean, deviation = process.predict(queries, return_std=True)
likelihood, gradient = process.log_marginal_likelihood(kernel.theta, eval_gradient=True)
out = sys.stdout
out.write(f"# {__doc__.splitlines()[0]}\n# scikit-learn {sklearn.__version__}; mean, variance without noise\n")
for m, s in zip(mean, deviation):
    out.write(f"{m:.15e},{s * s - NOISE:.15e}\n")
