"""Compare every option of conf/ with independent computations: `make check-science`, or

    python scripts/check_science                          # all rows; writes docs/agreement.md
    python scripts/check_science --only iwae beta_tcvae   # the rows of these options, or of a kind such as likelihood

The exit status is 1 if a row differs by more than 1e-5, or, where estimates are compared, by more than three standard
errors, or if an option has no row.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console

from check_science.checks import CHECKS, Check, Row, rows
from check_science.coverage import without_check
from check_science.page import PAGE, page, print_row, summary, table
from check_science.precision import double_precision
from vae_lab.config.conf import CONF


def carried_out(checks: list[Check], console: Console) -> list[Row]:
    """The rows of all checks, printed as they are found."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as empty, double_precision():
        os.environ["VAE_LAB_CACHE"] = empty
        for one in checks:
            started = time.perf_counter()
            new = rows(one)
            for row in new:
                print_row(console, row, time.perf_counter() - started)
            found += new
    return found


def main() -> int:
    """Carry out the checks, print the table and write the page; return 1 if a row differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="kinds or options; docs/agreement.md is not written")
    parser.add_argument("--page", type=Path, default=PAGE, help="where to write the page; default: docs/agreement.md")
    words = parser.parse_args()
    logging.captureWarnings(True)  # hides warnings of other packages about their buffers
    with double_precision():
        import check_science.everything  # noqa: F401 - registers the checks
    console = Console(width=None if sys.stdout.isatty() else 200)
    chosen = [one for one in CHECKS if not words.only or {one.kind, one.name} & {*words.only}]
    if not chosen:
        parser.error(f"no check of {' '.join(words.only)}; options: {', '.join(sorted({c.name for c in CHECKS}))}")
    found = carried_out(chosen, console)
    console.print(table(found))
    console.print(summary(found))
    unchecked = without_check(CONF, CHECKS)
    for name in unchecked:
        console.print(f"conf/{name}.yaml has no check; write one in scripts/check_science")
    if not words.only:
        words.page.write_text(page(found), encoding="utf-8")
        console.print(f"written: {words.page}")
    return int(bool(unchecked) or any(not row.good for row in found))


if __name__ == "__main__":
    sys.exit(main())
