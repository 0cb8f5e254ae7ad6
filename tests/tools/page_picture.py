"""Take the README's picture of the page, `tiler/web/page.png`, from the running demo: `make demo`, then this.

The place, the date and the layer stand in the address; 256 colours are what a small file needs.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright

PICTURE = Path(__file__).resolve().parents[2] / "tiler" / "web" / "page.png"
SHOWN = "?lon=105.62&lat=12.05&zoom=11&show=index&date=2026-02-09"


def main(url: str) -> None:
    """Overwrite the picture by what the page at `url` shows once it is at rest."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light", locale="en-GB")
        page.goto(f"{url.rstrip('/')}/{SHOWN}")
        expect(page.locator(".series")).to_have_attribute("aria-busy", "false", timeout=60_000)
        page.wait_for_load_state("networkidle")
        # Images fade in.
        page.wait_for_timeout(2_000)
        whole = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        browser.close()
    few = whole.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
    few.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:8000"]))
