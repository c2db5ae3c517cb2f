#!/usr/bin/env python3
"""Wrong calls by number of samples, and how many samples of a hypercube do what chosen ones do: scripts/surrogate.sh runs this.

usage: samples.py CALLS.csv, with columns how, samples, seed, baseline, blind, baseline_told, blind_told"""
import csv
import math
import sys

STRATEGIES = ["baseline", "blind", "both"]
ORDER = ["hypercube", "feasible points", "chosen"]


def means_of(suffix):
    """Wrong calls by (how, samples): a number for each of STRATEGIES, mean of all seeds."""
    found = {}
    with open(sys.argv[1], newline="") as file:
        for row in csv.DictReader(file):
            wrong = [float(row[s + suffix]) for s in STRATEGIES[:2]]
            found.setdefault((row["how"], int(row["samples"])), []).append(wrong + [sum(wrong) / 2])
    return {key: [sum(column) / len(rows) for column in zip(*rows)] for key, rows in found.items()}


def equivalent(curve, wrong, k):
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


def table(means):
    """Prints it, with the samples of a hypercube that are as good."""
    curve = sorted((samples, of) for (how, samples), of in means.items() if how == "hypercube")
    head = " | ".join(f"{s} wrong, %" for s in STRATEGIES)
    print(f"| how | samples | {head} | the same by hypercube | times fewer |")
    print("|---|---|---|---|---|---|---|")
    for (how, samples), of in sorted(means.items(), key=lambda item: (ORDER.index(item[0][0]), item[0][1])):
        cells = [how, str(samples)] + ["%.2f" % (100 * wrong) for wrong in of]
        if how == "chosen":
            found = [equivalent(curve, wrong, k) for k, wrong in enumerate(of)]
            cells.append(", ".join(text for text, _ in found))
            cells.append(", ".join("-" if n is None else f"{n / samples:.1f}" for _, n in found))
        else:
            cells += ["", ""]
        print("| " + " | ".join(cells) + " |")


print("Runs that end otherwise than called:\n")
table(means_of(""))
print("\nThe same where maps are told what rate each run's estimate showed:\n")
table(means_of("_told"))
