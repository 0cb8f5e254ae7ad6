"""Run the benchmarks: `python tests/bench/run.py [CASE…]`; results go to the screen and to `build/bench.json`.

A case is a module in `tests/bench/cases` with a function `run()` that returns a dictionary: `ours` and `peer` (what the
same work costs us and the peer), `unit`, and whatever else tells the story. `ratio`, how many times better than the
peer we are, is added here unless the case says it itself (as where more is better).
"""

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parents[1] / "build" / "bench.json"
CASES = sorted(path.stem for path in (HERE / "cases").glob("*.py"))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("case", nargs="*", help=f"one or more of {', '.join(CASES)}; all, if none is named")
    names = parser.parse_args(arguments).case or CASES
    if unknown := sorted(set(names) - set(CASES)):
        parser.error(f"no case {', '.join(unknown)}: choose from {', '.join(CASES)}")
    for name in names:
        print(f"{name} …", flush=True)
        result = run_case(name)
        save(name, result, RESULTS)
        print(json.dumps({name: result}, indent=2), flush=True)
    print(f"on {os.cpu_count()} cores, {platform.machine()}; results in {RESULTS}")


def run_case(name: str) -> dict[str, Any]:
    """Results of a case, rounded, with the ratio."""
    result: dict[str, Any] = importlib.import_module(f"cases.{name}").run()
    ours, peer = result["ours"], result.get("peer")
    if ours and peer and "ratio" not in result:
        result["ratio"] = peer / ours
    return _rounded(result)


def save(name: str, result: dict[str, Any], path: Path) -> None:
    """Put the result of a case into the file beside those of earlier runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, name: result}, indent=2) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    # The root for our packages, this folder for what the cases share; a spawned process inherits neither.
    paths = [str(HERE), str(HERE.parents[1])]
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])
    main()
