"""What is compared, and what was aimed at."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A line of the tables. With several variants the fastest that loses no frames is kept for each error rate."""

    name: str
    label: str
    # All the server has if none is named.
    variants: tuple = ()
    iterations: str = ""
    own_frames: bool = False
    encoder: bool = False


def _ldpc(method, scalings):
    return tuple(f"ldpc/{method}-{schedule}-{s}" for schedule in ("parallel", "serial") for s in scalings)


ROWS = [
    Row("fast", "Caligo `fast`", ("caligo/fast",), "30 + 40"),
    Row("balanced", "Caligo `balanced`", ("caligo/balanced",), "30 + 40 + 100"),
    Row("precise", "Caligo `precise`", ("caligo/precise",), "100"),
    Row("ldpc-toolbox", "ldpc-toolbox"),
    Row("ldpc-sum-product", "ldpc, sum-product", _ldpc("product_sum", ["1"])),
    Row("ldpc-min-sum", "ldpc, min-sum", _ldpc("minimum_sum", ["1", "0.9", "0.75", "0.625", "0"])),
    Row("numba", "numba, textbook f64", ("numba/f64",)),
    Row("textbook", "Rust, textbook f64", ("textbook/f64",)),
    Row("labrador-ldpc", "labrador-ldpc (codes and frames of its own)", own_frames=True),
    Row("encoder", "Caligo `Code::syndrome`, packed bits", ("caligo/encoder",), encoder=True),
    Row("encoder-scipy", "scipy.sparse `H @ x % 2`, uint8", ("scipy/uint8",), encoder=True),
]


def reference():
    """The frame error rate all others are held against is that of this one."""
    return "caligo/balanced"


@dataclass(frozen=True)
class Goal:
    """Figure `ours`, over `peer` if there is one, at `qber`: at least `must`, better `aim`."""

    label: str
    ours: str
    peer: str | None
    qber: str
    must: float
    aim: float


GOALS = [
    Goal("`balanced`, Mbit/s with AVX-512", "balanced", None, "0.02", 1000, 2000),
    Goal("`balanced`, Mbit/s with AVX-512", "balanced", None, "0.05", 600, 1200),
    Goal("`balanced`, Mbit/s with AVX-512", "balanced", None, "0.08", 180, 350),
    *(
        Goal(f"`balanced` over {label}", "balanced", peer, qber, must, aim)
        for label, peer, must, aim in [
            ("ldpc-toolbox's best decoder", "ldpc-toolbox", 40, 150),
            ("PyPI ldpc, sum-product", "ldpc-sum-product", 200, 500),
        ]
        for qber in ("0.02", "0.05", "0.08")
    ),
    Goal("`precise` over textbook f64 in Rust", "precise", "textbook", "0.08", 100, 250),
    Goal("encoder over scipy.sparse, uint8, one vector", "encoder", "encoder-scipy", "0.08", 60, 150),
]
