"""Command line: writes the chart's README and schema, or checks that they are up to date."""

from __future__ import annotations

import argparse
import sys

from scripts.chart import readme, schema


def main() -> None:
    """No option writes both files, `--check` compares; a value without a comment is an error."""
    parser = argparse.ArgumentParser(prog="python -m scripts.chart", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a file is not up to date")
    check = parser.parse_args().check
    try:
        made = {part.TARGET: part.render() for part in (readme, schema)}
    except ValueError as error:
        sys.exit(str(error))
    for target, text in made.items():
        if not check:
            target.write_text(text)
        elif not target.exists() or target.read_text() != text:
            sys.exit(f"{target.name} of the chart is not up to date: run `python -m scripts.chart`")


if __name__ == "__main__":
    main()
