"""What the page knows by itself, and OpenAPI does not say, is what the server's tables say."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest

from stac.indices import INDICES
from stac.masks import DEFAULT_PROFILE, PROFILES, UNKNOWN_CLASS
from tiler.series.formats import FORMATS
from tiler.series.periods import parse_step
from tiler.series.request import OutputProfile
from tiler.series.resolution import FINEST, RESOLUTIONS

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tiler" / "web" / "src"


def exported(module: str, name: str) -> Any:
    """A constant of the page's sources, as JSON has it."""
    node = shutil.which("node", path=ROOT / ".venv" / "bin")
    if node is None:
        pytest.skip("no node: deploy/local/setup.sh --test installs it")
    script = f"import {{ {name} as it }} from {json.dumps((SOURCE / module).as_uri())};console.log(JSON.stringify(it));"
    done = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_indices_are_coloured_as_the_servers_table_says() -> None:
    styles = exported("indices.ts", "INDEX_STYLES")
    assert list(styles) == [name for name, index in INDICES.items() if index.stored]
    for name, style in styles.items():
        assert tuple(style["rescale"]) == INDICES[name].display_range, name
        assert style["colormap"] == INDICES[name].colormap, name


def test_marked_clouds_are_what_the_default_mask_leaves_out() -> None:
    marked = {one for _, classes in exported("masks.ts", "MASKED").values() for one in classes}
    # What nobody classified has no colour.
    assert marked == set(PROFILES[DEFAULT_PROFILE].classes) - {0, UNKNOWN_CLASS}


def test_steps_and_formats_are_known_to_the_server() -> None:
    assert all(parse_step(name) is not None for name in exported("steps.ts", "STEPS"))
    menu = (SOURCE / "panel" / "take.tsx").read_text()
    suffixes, profiles = re.findall(r'suffix: "(\w+)"', menu), re.findall(r'profile: "(\w+)"', menu)
    assert suffixes
    assert set(suffixes) <= set(FORMATS)
    assert profiles
    assert set(profiles) <= set(get_args(OutputProfile))


def test_larger_pixels_are_those_that_the_server_reads() -> None:
    (sizes,) = re.findall(r"RESOLUTIONS = \[([\d, ]+)\]", (SOURCE / "state" / "view.ts").read_text())
    assert [int(size) for size in sizes.split(",")] == [size for size in RESOLUTIONS if size > FINEST]
