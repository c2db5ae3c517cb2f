#!/usr/bin/env python3
"""Wrong calls by number of samples, and how many samples of a hypercube do what chosen ones do: scripts/surrogate.sh runs this.

usage: samples.py CALLS.csv, with columns how, samples, seed, baseline, blind"""
import csv
import math
import sys

STRATEGIES = ["baseline", "blind", "both"]
means = {}
with open(sys.argv[1], newline="") as file:
    for row in csv.DictReader(file):
        row["both"] = (float(row["baseline"]) + float(row["blind"])) / 2
        means.setdefault((row["how"], int(row["samples"])), []).append([float(row[s]) for s in STRATEGIES])
means = {key: [sum(column) / len(rows) for column in zip(*rows)] for key, rows in means.items()}
curve = sorted((samples, of) for (how, samples), of in means.items() if how == "hypercube")


def equivalent(wrong, k):
    """Samples of a hypercube with as many wrong calls, between neighbours by the logarithm of their number."""
    # Chance may let the curve rise: what counts is the best so far.
    best = [(samples, min(of[k] for n, of in curve if n <= samples)) for samples, _ in curve]
    if wrong >= best[0][1]:
        return f"at most {best[0][0]}", None
    for (a, high), (b, low) in zip(best, best[1:]):
        if low < wrong <= high or low <= wrong < high:
            part = (high - wrong) / (high - low)
            samples = math.exp(math.log(a) + part * math.log(b / a))
            return f"{samples:.0f}", samples
    return f"over {best[-1][0]}", best[-1][0]


print("| how | samples | " + " | ".join(f"{s} wrong, %" for s in STRATEGIES) + " | the same by hypercube: baseline, blind, both | times fewer |")
print("|---|---|---|---|---|---|---|")
for (how, samples), of in sorted(means.items(), key=lambda item: (item[0][0] != "hypercube", item[0][1])):
    cells = [how, str(samples)] + ["%.2f" % (100 * wrong) for wrong in of]
    if how == "chosen":
        found = [equivalent(wrong, k) for k, wrong in enumerate(of)]
        cells.append(", ".join(text for text, _ in found))
        cells.append(", ".join("-" if n is None else f"{n / samples:.1f}" for _, n in found))
    else:
        cells += ["", ""]
    print("| " + " | ".join(cells) + " |")
