"""report.py PROGRAM OUT: times and traces the decoders' iterations, and writes docs/results/cycles.md. The prose is in
cycles.md.in."""

import csv
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from string import Template

import mnemonics
import steps

CIRCULANTS = 296
LABELS = {
    "sliced-swift": "sliced, swift", "sliced-sturdy": "sliced, sturdy",
    "corrected": "corrected (8-bit)", "sum-product": "sum-product (f32)",
}
PATHS = {"avx512": "AVX-512", "avx2": "AVX2", "portable": "portable (SSE2)"}
UNITS = ["logic", "logic-chain", "division"]
# What a core of Zen 5 with vector pipes of 512 bits does per cycle.
RATES = {"instructions": 8, "vector": 4, "multiply": 2, "add": 2, "shift": 2, "shuffle": 2}
NAMES = {
    "instructions": "dispatch", "vector": "vector pipes", "multiply": "multipliers", "add": "adders", "shift": "shifters",
    "shuffle": "shuffles", "loads": "loads", "stores": "stores", "divide": "divider",
}


def main(program, out):
    rows = list(csv.DictReader(_output(program, "time").splitlines()))
    units = {(row["kernel"], row["path"]): float(row["cycles"]) for row in rows if row["kernel"] in UNITS}
    rows = [row for row in rows if row["kernel"] not in UNITS]
    kinds = mnemonics.kinds(program)
    # The longest first.
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        traces = [pool.submit(_iteration, program, row["kernel"], row["path"]) for row in reversed(rows)][::-1]
        mixes = [mnemonics.mix(kinds, trace.result()) for trace in traces]
    table = [_row(row, mix, units["division", row["path"]]) for row, mix in zip(rows, mixes)]
    text = Template((Path(__file__).parent / "cycles.md.in").read_text()).substitute(
        table="\n".join(table),
        machine=_machine(),
        rustc=_output("rustc", "--version").rsplit(" (", 1)[0],
        circulants=CIRCULANTS,
        ghz=f"{max(float(row['ghz']) for row in rows):.2f}",
        logic=f"{1 / units['logic', rows[0]['path']]:.1f}",
        chain=f"{units['logic-chain', rows[0]['path']]:.1f}",
        division=f"{units['division', rows[0]['path']]:.1f}",
        widest=PATHS[rows[0]["path"]],
    )
    Path(out).write_text(text)


def _iteration(program, kernel, path):
    counts = steps.executed(program, "run", kernel, path, "1")
    counts.subtract(steps.executed(program, "run", kernel, path, "0"))
    return counts


def _row(row, mix, division):
    mix = Counter({kind: count / CIRCULANTS for kind, count in mix.items()})
    cycles, frames = float(row["cycles"]) / CIRCULANTS, int(row["frames"])
    wide = mix["stores 512"]
    scalar = mix["vector"] < mix["instructions"] / 10
    needs = {kind: mix[kind] / rate for kind, rate in RATES.items()}
    needs["loads"] = mix["loads"] / (4 if scalar else 2)
    needs["stores"] = wide + mix["stores"] / 2
    needs["divide"] = mix["divide"] * division
    tightest = sorted(needs, key=needs.get, reverse=True)[:2]
    bound = needs[tightest[0]]
    columns = [
        LABELS[row["kernel"]], PATHS[row["path"]], frames,
        *(f"{mix[kind]:.0f}" for kind in ("instructions", "vector", "loads")),
        f"{wide + mix.get('stores', 0):.0f}",
        f"{cycles:.1f}", f"{cycles / frames:.1f}",
        f"{bound:.1f}: {NAMES[tightest[0]]}", f"{needs[tightest[1]]:.1f}: {NAMES[tightest[1]]}",
        f"{cycles / bound:.2f}",
    ]
    return "| " + " | ".join(map(str, columns)) + " |"


def _machine():
    fields = dict.fromkeys(["model name", "cpu family", "model"], "?")
    for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        fields[key.strip()] = value.strip()
    return f"{fields['model name']} (family {fields['cpu family']}, model {fields['model']})"


def _output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main(*sys.argv[1:])
