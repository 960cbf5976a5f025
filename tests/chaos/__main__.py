"""`python -m tests.chaos`: what `make chaos` runs. Exit code 1 where anything was lost, doubled, wrong or late."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.suite.playing import Play, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the form that runs with the tests, within 90 s")
    parser.add_argument("--only", default="", help="phases whose names hold this text")
    parser.add_argument("--patience", type=float, default=1.0, help="so many times later than promised is not late")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(2))  # so that every process is ended on the way out
    with tempfile.TemporaryDirectory(prefix="rhizome-chaos-") as folder:
        return int(play(Play(Path(folder), options.short, options.patience, options.only), _say) > 0)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
