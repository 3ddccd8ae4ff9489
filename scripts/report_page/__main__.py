"""Builds one page of the report's experiments: for each figure, what the report states and whether that holds here.

    python scripts/report_page outputs/report

The folder is the output of ``scripts/reproduce_report.sh``. Every sentence is derived from the scores that the runs
saved; the page states which experiments are missing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from report_page.page import page
from report_page.runs import Report
from report_page.sections import sections
from vae_lab.system.files import write_atomically


def main() -> None:
    """Write ``report.html`` into the folder that was typed, and print the sentences of its sections."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python scripts/report_page <folder of scripts/reproduce_report.sh>")
    folder = Path(sys.argv[1])
    content = list(sections(Report(folder)))
    with write_atomically(folder / "report.html") as file:
        file.write(page(content, folder))
    for section in content:
        print(f"{section.title}: {section.seen}")
    print(f"\n{folder / 'report.html'}")


if __name__ == "__main__":
    main()
