"""`python -m tests.chaos`: what `make chaos` runs. Exit code 1 where anything was lost, doubled, wrong or late."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.chaos.suite.playing import play


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the form that runs with the tests, within 90 s")
    parser.add_argument("--only", default="", help="phases whose names hold this text")
    parser.add_argument("--patience", type=float, default=1.0, help="so many times later than promised is not late")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rhizome-chaos-") as folder:
        return int(play(Path(folder), is_short=options.short, patience=options.patience, only=options.only) > 0)


if __name__ == "__main__":
    sys.exit(main())
