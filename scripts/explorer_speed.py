"""Measures a page of ``vae-lab explore`` in headless Chromium: frames per second and milliseconds per image.

python scripts/explorer_speed.py outputs/<date>/<run>/explorer.html
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FRAMES = """async (seconds) => {
  const slider = document.querySelector("#sliders input"), low = Number(slider.min), high = Number(slider.max);
  let frames = 0, began;
  await new Promise((resolve) => {
    const next = (now) => {
      began ??= now;
      if (now - began > 1000 * seconds) { resolve(); return; }
      slider.value = low + (high - low) * (0.5 + 0.5 * Math.sin(now / 300));
      slider.dispatchEvent(new Event("input"));
      frames++;
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
  return frames / seconds;
}"""
RENDERING = """() => { // milliseconds of the scripts for a frame: image, map, controls and nearest images
  const times = Array.from({ length: 60 }, (_, i) => {
    const began = performance.now();
    move(DATA.aggregate.order[0], Math.sin(i));
    syncControls();
    paint(byId("image"), imageOf(state));
    map.draw();
    drawNearest();
    return performance.now() - began;
  });
  return times.sort((a, b) => a - b)[30];
}"""
SPENT = """([accelerated, images]) => {
  const decoder = makeNetwork(DATA.program, accelerated ? bytesOf(DATA.kernel) : null);
  const times = Array.from({ length: images }, (_, i) => {
    const began = performance.now();
    decoder.decode(codeOf(i % COUNT), state.y);
    return performance.now() - began;
  });
  return times.sort((a, b) => a - b)[images >> 1];
}"""


def main(path: str) -> None:
    """Print the figures of one page."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_context(offline=True, viewport={"width": 1400, "height": 1000}).new_page()
        page.goto(Path(path).absolute().as_uri())
        page.wait_for_timeout(1500)
        print(f"{path}: {Path(path).stat().st_size / 1e6:.2f} MB")
        print(f"frames per second while a slider moves all that depends on it: {page.evaluate(FRAMES, 5):.0f}")
        print(f"the scripts' work for a frame: {page.evaluate(RENDERING):.1f} ms (median of 60)")
        for accelerated in (True, False):
            spent = page.evaluate(SPENT, [accelerated, 200])
            kernel = "WebAssembly with SIMD" if accelerated else "plain JavaScript"
            print(f"{kernel}: {spent:.2f} ms per image (median of 200)")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
