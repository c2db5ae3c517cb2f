"""Peers that a driver runs by name, in Python or in the server, and what a run counts."""

import subprocess
import time
from dataclasses import dataclass
from math import log

import numpy as np
import scipy.sparse
from ldpc import BpDecoder

from textbook import Textbook

ENCODED = 256


@dataclass
class Run:
    """`frames` frames of `n` bits took `seconds` of CPU time; `wrong` of them came out as something else."""

    frames: int
    seconds: float
    wrong: int
    iterations: int
    n: int

    @property
    def mbit_per_s(self):
        return self.n * self.frames / self.seconds / 1e6


class Frames:
    """Frames at one error rate, from the files `prepare` wrote: packed bytes, lowest bit first."""

    def __init__(self, directory, qber):
        def load(what, length):
            return np.load(directory / f"{what}-{qber}.npy", mmap_mode="r").reshape(-1, length)

        self.sent, self.received, self.syndromes = (
            load("sent", 512),
            load("received", 512),
            load("syndrome", 256),
        )

    def take(self, first, count):
        """Frames sent, received, and syndromes of those sent, a byte for each bit."""
        for packed in (self.sent, self.received, self.syndromes):
            yield np.unpackbits(packed[first : first + count], axis=1, bitorder="little")


class Python:
    """Decoders and the encoder of Python packages."""

    def __init__(self, directory, max_iterations):
        self.directory = directory
        self.max_iterations = max_iterations
        matrix = scipy.sparse.load_npz(directory / "matrix.npz")
        self.matrix = scipy.sparse.csr_array(matrix, dtype=np.uint8)
        self.matrix.sort_indices()
        self.frames = {}
        self.textbook = Textbook(self.matrix, max_iterations)

    def run(self, name, qber, first, count):
        if qber not in self.frames:
            self.frames[qber] = Frames(self.directory, qber)
        frames = self.frames[qber]
        peer, _, variant = name.partition("/")
        if peer == "scipy":
            return self._encode(frames, count)
        decode = self._ldpc(variant, float(qber)) if peer == "ldpc" else self._textbook(float(qber))
        # Untimed, after whatever another peer has left in the caches; numba compiles here.
        _decode(decode, self.matrix, *frames.take(first, min(max(1, count // 20), 64)))
        return _decode(decode, self.matrix, *frames.take(first, count))

    def _ldpc(self, variant, qber):
        method, schedule, scaling = variant.split("-")
        decoder = BpDecoder(
            scipy.sparse.csr_matrix(self.matrix),
            error_rate=qber,
            max_iter=self.max_iterations,
            bp_method=method,
            schedule=schedule,
            ms_scaling_factor=float(scaling),
            omp_thread_count=1,
            input_vector_type="syndrome",
        )

        def decode(received, syndrome, difference):
            start = time.process_time()
            errors = decoder.decode(difference)
            return received ^ errors, decoder.iter, time.process_time() - start

        return decode

    def _textbook(self, qber):
        strength = log((1 - qber) / qber)

        def decode(received, syndrome, difference):
            prior = strength * (1.0 - 2.0 * received)
            start = time.process_time()
            decision, iterations = self.textbook.decode(prior, syndrome)
            return decision, iterations, time.process_time() - start

        return decode

    def _encode(self, frames, count):
        sent, _, syndromes = frames.take(0, ENCODED)
        wrong = sum(not np.array_equal(self.matrix @ x % 2, s) for x, s in zip(sent, syndromes))
        start = time.process_time()
        for i in range(count):
            self.matrix @ sent[i % ENCODED] % 2
        return Run(count, time.process_time() - start, wrong, 0, self.matrix.shape[1])


def _decode(decode, matrix, sent, received, syndromes):
    run = Run(len(sent), 0.0, 0, 0, matrix.shape[1])
    for x, y, s in zip(sent, received, syndromes):
        decision, iterations, seconds = decode(y, s, matrix @ y % 2 ^ s)
        run.seconds += seconds
        run.iterations += int(iterations)
        run.wrong += not np.array_equal(decision, x)
    return run


class Server:
    """Decoders and the encoder written in Rust, in a process of their own on the same core."""

    def __init__(self, binary, directory, seed):
        self.process = subprocess.Popen(
            [binary, "serve", str(directory), str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, name, qber, first, count):
        self.process.stdin.write(f"{name} {qber} {first} {count}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            raise SystemExit(f"error: the server ended at {name}, Q {qber}")
        seconds, wrong, iterations, n = answer
        return Run(count, float(seconds), int(wrong), int(iterations), int(n))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
