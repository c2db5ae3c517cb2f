"""What a run depends on besides the sources: machine and versions. No names of hosts or paths."""

import os
import platform
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
CRATES = ["ldpc-toolbox", "labrador-ldpc"]
PACKAGES = ["ldpc", "scipy", "numba", "numpy"]


def machine():
    fields = {}
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().split("\n\n")[0].splitlines():
            key, _, value = line.partition(":")
            fields[key.strip()] = value.strip()
    model = fields.get("model name", platform.machine())
    detail = ", ".join(f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields)
    virtual = "virtual " if "hypervisor" in fields.get("flags", "").split() else ""
    return f"{model}{f' ({detail})' if detail else ''}, {os.cpu_count()} {virtual}cores, {platform.system()}"


def versions():
    lock = tomllib.loads((HERE / "Cargo.lock").read_text())
    crates = {package["name"]: package["version"] for package in lock["package"]}
    commit = _output("git", "rev-parse", "--short=12", "HEAD")
    parts = [f"caligo {crates['caligo-core']}{f' (commit {commit})' if commit else ''}"]
    parts += [f"{name} {crates[name]} (crates.io)" for name in CRATES]
    parts += [f"{name} {version(name)} (PyPI)" for name in PACKAGES]
    return ", ".join(
        [*parts, f"Python {platform.python_version()}", _output("rustc", "--version").rsplit(" (", 1)[0]]
    )


def _output(*command):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
