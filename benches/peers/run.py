"""Measures this project's decoders and encoder beside published ones, and writes docs/benchmarks.md.

`scripts/benchmarks.sh` builds what this needs and runs it."""

import argparse
import json
import os
import subprocess
from pathlib import Path

from machine import machine, versions
from peers import Python, Run, Server
from report import render
from rows import ROWS, reference
from statistic import same_fer

QBERS = ["0.02", "0.05", "0.08"]
SEED = 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True, help="the server, caligo-peers")
    parser.add_argument("--work", type=Path, required=True, help="directory for frames and raw results")
    parser.add_argument("--out", type=Path, required=True, help="the report")
    parser.add_argument("--quick", action="store_true", help="within a minute, to see that it works")
    parser.add_argument("--report-only", action="store_true", help="write the report of the last run again")
    parser.add_argument("--cpu", type=int, help="core to run on [default: the last]")
    return parser.parse_args()


def pin(cpu):
    """All processes of a run take turns on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if cpu is None else cpu})
    else:
        print("peers: this system cannot pin a process to a core")


class Bench:
    def __init__(self, args):
        self.quick = args.quick
        self.repeats = 3 if args.quick else 5
        self.seconds = 0.1 if args.quick else 1.5
        # Shared out among the repeats.
        self.frames = 3_000 if args.quick else 50_000
        about = [line.split() for line in _output(args.binary, "about")]
        self.about = {words[0]: words[1] for words in about if words[0] != "variant"}
        self.variants = [words[1] for words in about if words[0] == "variant"]
        _output(args.binary, "prepare", args.work, SEED, self.frames, *QBERS)
        self.server = Server(args.binary, args.work, SEED)
        self.python = Python(args.work, int(self.about["iterations"]))

    def run(self, name, qber, first, count):
        host = self.python if name.startswith(("ldpc/", "numba/", "scipy/")) else self.server
        return host.run(name, qber, first, count)

    def choose(self, row, qber, ours):
        """Of a row's variants the fastest whose frame error rate is ours; the fastest of all if none is."""
        variants = row.variants or [name for name in self.variants if name.startswith(row.name + "/")]
        if len(variants) == 1:
            return variants[0]
        few, enough = (3, 9) if self.quick else (12, 240)
        speed = {name: self.run(name, qber, 0, few).mbit_per_s for name in variants}
        by_speed = sorted(variants, key=speed.get, reverse=True)
        for name in by_speed:
            wrong = frames = 0
            while frames < enough and same_fer((wrong, frames), ours):
                run = self.run(name, qber, frames, 3 * few)
                wrong, frames = wrong + run.wrong, frames + run.frames
            if same_fer((wrong, frames), ours):
                return name
        return by_speed[0]

    def count(self, name, qber):
        """Frames of a run of about the time given."""
        for frames in (8, 128):
            run = self.run(name, qber, 0, frames)
            if run.seconds > self.seconds / 20:
                break
        count = round(self.seconds * run.frames / run.seconds)
        if name in ("caligo/encoder", "scipy/uint8"):
            return max(256, count // 3)
        return min(max(4, count), self.frames // self.repeats)

    def measure(self):
        names, counts = {}, {}
        for qber in QBERS:
            known = self.run(reference(), qber, 0, self.frames)
            for row in ROWS:
                if row.encoder and qber != QBERS[-1]:
                    continue
                name = self.choose(row, qber, (known.wrong, known.frames))
                names[row.name, qber], counts[row.name, qber] = name, self.count(name, qber)
                print(
                    f"peers: Q {qber}: {row.name}: {name}, {counts[row.name, qber]} frames a run", flush=True
                )
        runs = {key: [] for key in names}
        for repeat in range(self.repeats):
            for qber in QBERS:
                keys = [key for key in names if key[1] == qber]
                turn = repeat * len(keys) // self.repeats
                for key in keys[turn:] + keys[:turn]:
                    count = counts[key]
                    first = 0 if key[0].startswith("encoder") else repeat * count
                    runs[key].append(self.run(names[key], qber, first, count))
            print(f"peers: repeat {repeat + 1} of {self.repeats}", flush=True)
        self.server.close()
        return [
            {
                "row": row,
                "qber": qber,
                "name": names[row, qber],
                "runs": [vars(run) for run in runs[row, qber]],
            }
            for row, qber in names
        ]


def _output(*command):
    return subprocess.run(
        [str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()


def main():
    args = arguments()
    raw = args.work / "results.json"
    if not args.report_only:
        pin(args.cpu)
        args.work.mkdir(parents=True, exist_ok=True)
        bench = Bench(args)
        setting = {
            "quick": args.quick,
            "seed": SEED,
            "frames": bench.frames,
            "repeats": bench.repeats,
            **bench.about,
        }
        setting |= {"machine": machine(), "versions": versions()}
        raw.write_text(json.dumps({"setting": setting, "measured": bench.measure()}, indent=1))
    results = json.loads(raw.read_text())
    for entry in results["measured"]:
        entry["runs"] = [Run(**run) for run in entry["runs"]]
    text = render(results["setting"], results["measured"])
    temporary = args.out.with_name(args.out.name + ".new")
    temporary.write_text(text)
    temporary.replace(args.out)
    print(f"peers: wrote {args.out}")


if __name__ == "__main__":
    main()
