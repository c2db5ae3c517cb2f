"""Raw results -> docs/benchmarks.md. The prose is in benchmarks.md.in."""

from pathlib import Path
from string import Template

from rows import GOALS, ROWS
from statistic import same_fer, spread

HERE = Path(__file__).parent


def render(setting, measured):
    cells = {(entry["row"], entry["qber"]): entry for entry in measured}
    qbers = list(dict.fromkeys(entry["qber"] for entry in measured))
    cycles = HERE.parents[1] / "docs" / "results" / "cycles.md"
    return Template((HERE / "benchmarks.md.in").read_text()).substitute(
        notice="**This was a quick run: too few frames and repeats to quote.**\n\n"
        if setting["quick"]
        else "",
        machine=setting["machine"],
        isa=setting["isa"],
        versions=setting["versions"],
        iterations=setting["iterations"],
        seed=setting["seed"],
        frames=setting["frames"],
        repeats=setting["repeats"],
        qbers=" ".join(qbers),
        goals=_goals(setting, cells),
        decoders="\n\n".join(_decoders(setting, cells, qber) for qber in qbers),
        encoders=_encoders(cells),
        cycles=cycles.read_text().strip() if cycles.exists() else "Not measured yet.",
    )


def _number(x):
    return f"{x:,.0f}" if x >= 100 else f"{x:#.3g}"


def _spread(values):
    middle, least, most = map(_number, spread(values))
    return f"{middle} ({least} to {most})"


def _speeds(cell):
    return [run.mbit_per_s for run in cell["runs"]]


def _counts(cell):
    return sum(run.wrong for run in cell["runs"]), sum(run.frames for run in cell["runs"])


def _ratios(ours, peer):
    """By repeat, nothing if the frame error rates differ."""
    if same_fer(_counts(ours), _counts(peer)):
        return [a / b for a, b in zip(_speeds(ours), _speeds(peer))]
    return None


def _variant(name):
    peer, _, variant = name.partition("/")
    if peer in ("caligo", "numba", "textbook"):
        return {
            "fast": "bit-sliced, then 8-bit",
            "balanced": "bit-sliced, 8-bit, then f32",
            "precise": "f32, layered",
        }.get(variant, "f64, flooding")
    if peer == "ldpc":
        method, schedule, scaling = variant.split("-")
        scaling = {"1": "", "0": ", scaling adapted"}.get(scaling, f", scaling {scaling}")
        return f"`{method}`, {schedule}{scaling if method == 'minimum_sum' else ''}"
    return f"`{variant}`"


def _decoders(setting, cells, qber):
    lines = [
        f"### Q = {qber}",
        "",
        "| decoder | setting | iterations, at most | mean | Mbit/s of n | µs a frame | frame errors | `balanced` is faster by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        if row.encoder:
            continue
        cell = cells[row.name, qber]
        wrong, frames = _counts(cell)
        iterations = sum(run.iterations for run in cell["runs"]) / frames
        micros, _, _ = spread([run.seconds / run.frames * 1e6 for run in cell["runs"]])
        ratios = _ratios(cells["balanced", qber], cell)
        faster = "" if row.name == "balanced" else _spread(ratios) if ratios else "not compared"
        lines.append(
            f"| {row.label} | {_variant(cell['name'])} | {row.iterations or setting['iterations']} "
            f"| {iterations:.1f} | {_spread(_speeds(cell))} | {_number(micros)} | {wrong} of {frames:,} | {faster} |"
        )
    return "\n".join(lines)


def _encoders(cells):
    lines = ["| encoder | ns a frame | Mbit/s of n | wrong |", "|---|---|---|---|"]
    for row in ROWS:
        for (name, _), cell in cells.items():
            if row.encoder and name == row.name:
                nanos = [run.seconds / run.frames * 1e9 for run in cell["runs"]]
                lines.append(
                    f"| {row.label} | {_spread(nanos)} | {_spread(_speeds(cell))} | {_counts(cell)[0]} |"
                )
    return "\n".join(lines)


def _goals(setting, cells):
    lines = ["| figure | Q | must | aim | measured | |", "|---|---|---|---|---|---|"]
    for goal in GOALS:
        ours = cells[goal.ours, goal.qber]
        values = _ratios(ours, cells[goal.peer, goal.qber]) if goal.peer else _speeds(ours)
        if values is None:
            measured, verdict = "not compared: frame error rates differ", ""
        else:
            measured, middle = _spread(values), spread(values)[0]
            verdict = "aim met" if middle >= goal.aim else "must met" if middle >= goal.must else "**missed**"
            if not goal.peer and setting["isa"] != "AVX-512":
                verdict = f"not judged on {setting['isa']}"
        qber = "" if goal.ours == "encoder" else goal.qber
        lines.append(
            f"| {goal.label} | {qber} | {_number(goal.must)} | {_number(goal.aim)} | {measured} | {verdict} |"
        )
    return "\n".join(lines)
