#!/usr/bin/env python3
"""Fits and predicts with scikit-learn and with the example `fit`, on the same data: scripts/surrogate.sh runs this.

usage: compare.py PROGRAM ROWS.csv COUNT, where ROWS.csv is what `campaign export` wrote"""
import csv
import json
import subprocess
import sys
import tempfile
import time

import numpy as np
import sklearn
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

LOG = ["storage_rate_nu", "delta_t_ns", "detection_eff_eta", "dark_count_prob", "num_pairs"]
INPUTS = ["storage_noise_r", "storage_rate_nu", "delta_t_ns", "channel_fidelity", "detection_eff_eta",
          "detector_error", "dark_count_prob", "num_pairs"]


def load(path):
    with open(path, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["strategy"] == "baseline" and row["margin"] not in ("", "NaN")]
    x = np.array([[float(row[name]) for name in INPUTS] for row in rows])
    y = np.array([float(row["margin"]) for row in rows])
    for k, name in enumerate(INPUTS):
        if name in LOG:
            x[:, k] = np.log(x[:, k])
    return (x - x.mean(0)) / x.std(0), y


def reference(x, y, queries, truth):
    mean, scale = y.mean(), y.std()
    kernel = ConstantKernel(1.0, (1e-3, 1e3)) * Matern(np.ones(x.shape[1]), (1e-2, 1e3), nu=2.5) \
        + WhiteKernel(0.01, (1e-6, 1.0))
    process = GaussianProcessRegressor(kernel, alpha=1e-10)
    began = time.perf_counter()
    process.fit(x, (y - mean) / scale)
    fitted = time.perf_counter() - began
    began = time.perf_counter()
    said, deviation = process.predict(queries, return_std=True)
    predicted = time.perf_counter() - began
    error = scale * said + mean - truth
    # scikit-learn's deviation has the noise.
    variance = (scale * deviation) ** 2
    return {"fit": fitted, "predict": predicted, "rmse": float(np.sqrt(np.mean(error ** 2))),
            "nlpd": float(np.mean(0.5 * (np.log(2 * np.pi * variance) + error ** 2 / variance))),
            "likelihood": float(process.log_marginal_likelihood_value_ - len(y) * np.log(scale))}


def ours(program, x, y, queries, truth):
    with tempfile.TemporaryDirectory() as folder:
        for name, points, values in (("a", x, y), ("b", queries, truth)):
            np.savetxt(f"{folder}/{name}", np.column_stack([points, values]), delimiter=",", fmt="%.17g")
        return json.loads(subprocess.run([program, f"{folder}/a", f"{folder}/b"], check=True, capture_output=True).stdout)


program, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
x, y = load(path)
if len(y) < count + 100:
    sys.exit(f"{path}: expected at least {count + 100} rows of baseline with a margin, found {len(y)}")
data = (x[:count], y[:count], x[count:count + 2000], y[count:count + 2000])
runs = {"scikit-learn " + sklearn.__version__: [], "caligo-surrogate": []}
names = list(runs)
for _ in range(3):
    runs[names[0]].append(reference(*data))
    runs[names[1]].append(ours(program, *data))
print(f"{count} samples, {len(data[3])} predictions, medians of three interleaved runs\n")
print("| | fit, s | predict, s | RMSE, bits a pair | -log density | log likelihood |\n|---|---|---|---|---|---|")
total = {}
for name, of in runs.items():
    median = {key: float(np.median([run[key] for run in of])) for key in of[0]}
    total[name] = median["fit"] + median["predict"]
    print(f"| {name} | {median['fit']:.2f} | {median['predict']:.3f} | {median['rmse']:.5f} | {median['nlpd']:.3f} "
          f"| {median['likelihood']:.1f} |")
print(f"\nFit and prediction: {total[names[0]] / total[names[1]]:.1f} times as fast.")
