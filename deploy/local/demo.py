"""From a product on disk to a catalogue, a map tile and a time series, on the running stack: `make demo`."""

import math
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import httpx
from airflow_client import Airflow, AirflowError
from environment import ROOT, Stack, load
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from pathlib import Path

INDICES = "sentinel-2-indices"
DAG = "ingest_products"


def main() -> int:
    """Make the sample, have Airflow ingest it, show what can be asked of the result; 1 when the run is not green."""
    console, started = Console(highlight=False), time.monotonic()
    stack = load()
    try:
        _make_sample(stack, console)
        with Airflow(stack.airflow_url) as airflow:
            state, summary = _ingest(airflow, console)
        _show(stack, console)
    except (AirflowError, httpx.HTTPError, LookupError, subprocess.CalledProcessError) as error:
        console.print(f"\nThe demo stopped: {error}\nLogs: {stack.log}", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nInterrupted. The stack runs, and Airflow goes on: `make demo` follows, `make down` stops it.")
        return 130
    _say(console, "Airflow", f"{stack.airflow_url}  run of {DAG}: {state}; {_counts(summary)}")
    _say(console, "Page", f"{stack.url}/")
    console.print(f"\nDone in {time.monotonic() - started:.0f} s. Stop it all with `make down`.")
    return 0 if state == "success" else 1


def _make_sample(stack: Stack, console: Console) -> None:
    """Write the sample archive into the inbox; what is there already is left alone."""
    target = ROOT / stack.env["INGEST_INBOX"] / "sample"
    _say(console, "Sample", f"an archive of two tiles in {target}")
    command: list[Path | str] = [ROOT / ".venv/bin/sen2extract", "sample", target]
    subprocess.run(command, check=True, env=dict(stack.env), stdout=subprocess.DEVNULL)


def _ingest(airflow: Airflow, console: Console) -> tuple[str, dict[str, Any]]:
    airflow.wait_for_dag(DAG)
    run = airflow.trigger(DAG, {})
    batches: list[list[str]] = []
    with _progress(console) as progress:
        bar = progress.add_task("Airflow ingests", total=None)
        told = 0
        for _, ended in airflow.follow(DAG, run, mapped="ingest"):
            batches = batches or airflow.result(DAG, run, "discover") or []
            total, done = _products(batches), _products([batches[index] for index in ended if index < len(batches)])
            progress.update(bar, total=total or None, completed=done)
            if not console.is_terminal and done > told:
                console.print(f"  Airflow ingests: {done} of {total} products")
                told = done
    return airflow.state(DAG, run), airflow.result(DAG, run, "summarise") or {}


def _products(batches: Sequence[Sequence[str]]) -> int:
    return sum(map(len, batches))


def _progress(console: Console) -> Progress:
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _counts(summary: dict[str, Any]) -> str:
    states = ", ".join(f"{count} {state}" for state, count in summary.get("states", {}).items())
    troubles = "".join(f"\n    {t['product']}: {t['state']}, {t['reason']}" for t in summary.get("troubles", [])[:20])
    return (states or "nothing to do") + troubles


def _show(stack: Stack, console: Console) -> None:
    with httpx.Client(base_url=stack.url, timeout=60, trust_env=False) as client:
        item = _show_search(client, console)
        lon, lat = _centre(item["bbox"])
        _show_tile(client, console, item, lon, lat)
        _show_series(client, console, lon, lat)


def _show_search(client: httpx.Client, console: Console) -> dict[str, Any]:
    """Print what a search finds; return the clearest item of those shown."""
    query = {"collections": INDICES, "limit": "5", "sortby": "eo:cloud_cover"}
    answer = client.get("/stac/search", params=query).raise_for_status()
    found = answer.json()
    if not found["features"]:
        raise LookupError(f"{answer.url} found no item")
    _say(console, "STAC search", f"{answer.url}")
    console.print(f"    {found.get('numberMatched', len(found['features']))} items, the clearest first:")
    for item in found["features"]:
        cover = item["properties"].get("eo:cloud_cover")
        console.print(f"    {item['id']}   {cover:.0f} % cloud" if cover is not None else f"    {item['id']}")
    first: dict[str, Any] = found["features"][0]
    return first


def _show_tile(client: httpx.Client, console: Console, item: dict[str, Any], lon: float, lat: float) -> None:
    x, y, zoom = _tile(lon, lat, 12)
    path = f"/raster/collections/{INDICES}/items/{item['id']}/tiles/WebMercatorQuad/{zoom}/{x}/{y}.png"
    answer = client.get(path, params={"assets": "NDVI"}).raise_for_status()
    _say(console, "Tile", f"{answer.url}")
    console.print(f"    {answer.headers['content-type']}, {len(answer.content)} bytes")


def _show_series(client: httpx.Client, console: Console, lon: float, lat: float) -> None:
    path = f"/raster/collections/{INDICES}/timeseries/point/{lon:.5f},{lat:.5f}.csv"
    answer = client.get(path, params={"index": "NDVI"}).raise_for_status()
    lines = answer.text.splitlines()
    _say(console, "Time series", f"{answer.url}")
    for line in lines[:8]:
        console.print(f"    {line}", soft_wrap=True)
    console.print(f"    … {len(lines) - 1} acquisitions in all")


def _centre(bbox: list[float]) -> tuple[float, float]:
    return (bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2


def _tile(lon: float, lat: float, zoom: int) -> tuple[int, int, int]:
    """Return x, y and zoom of the Web Mercator tile around a point."""
    count, radians = 2**zoom, math.radians(lat)
    return int((lon + 180) / 360 * count), int((1 - math.asinh(math.tan(radians)) / math.pi) / 2 * count), zoom


def _say(console: Console, what: str, text: str) -> None:
    console.print(f"\n[bold]{what}[/]", end="  ")
    console.print(text, markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
