"""Disassembly -> what each instruction asks of the core."""

import re
import subprocess
from collections import Counter

LINE = re.compile(r"^\s*([0-9a-f]+):\s+(?:(?:rep\w*|lock|notrack|data16) )*(\S+)\s*([^#<]*)")
VECTOR = re.compile(r"%(?:[xyz]mm|k[0-7])")
MOVE = re.compile(r"v?mov(?:[au]p[sd]|dq[au]\d*|s[sd]|[dq]|[lh]p[sd]|nt\w+)$")
MULTIPLY = re.compile(r"v?(?:p?mul|pmadd|fn?m)")
DIVIDE = re.compile(r"v?(?:div|sqrt)")
ADD = re.compile(r"v?(?:add|sub|max|min|cmp\w*)[ps][sd]$")
SHIFT = re.compile(r"v?p(?:s[lr][la]|ro[lr])")
SHUFFLE = re.compile(
    r"v?(?:p?unpck|punpck|pack|p?shuf|perm|palign|pmov[^m]|p?insr|p?extr|insert|p?broadcast)"
)
SORTS = {"divide": DIVIDE, "multiply": MULTIPLY, "add": ADD, "shift": SHIFT, "shuffle": SHUFFLE}


def kinds(program):
    """Address -> the kinds that an instruction belongs to."""
    command = ["objdump", "-d", "--no-show-raw-insn", program]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = (LINE.match(line) for line in text.splitlines())
    return {int(line[1], 16): _kinds(line[2], line[3].strip()) for line in lines if line}


def _kinds(name, operands):
    found = ["instructions"]
    memory = "(" in operands and not name.startswith(("lea", "nop", "prefetch"))
    stores = memory and operands.endswith(")") and not name.startswith(("cmp", "test", "vptest", "ptest"))
    stores = stores or memory and operands.endswith("}")  # A masked store.
    vector = bool(VECTOR.search(operands))
    only_moves = bool(MOVE.match(name)) and (memory or "{" not in operands)
    only_moves = only_moves or memory and name.startswith(("vpbroadcast", "vbroadcast"))
    if memory and not (stores and (name.startswith(("mov", "set")) or vector)):
        found.append("loads")
    if stores:
        found.append("stores 512" if "%zmm" in operands and only_moves else "stores")
    if vector and not only_moves:
        found.append("vector")
        found += [sort for sort, pattern in SORTS.items() if pattern.match(name)][:1]
    elif vector and not memory:
        found.append("copies")
    return found


def mix(kinds_of, counts):
    """How many instructions of each kind were run."""
    total = Counter()
    for address, count in counts.items():
        for kind in kinds_of.get(address, ["instructions"]):
            total[kind] += count
    return total
