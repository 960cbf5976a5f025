"""The load generator: users, or arrivals at a fixed rate, on one port of this machine.

Run as `python -m benchmarks.load --port 8000 --users 32 --mode wait --seconds 5`; prints one JSON object. It
is a process of its own so that its CPU time is its own: a run whose `generator_cpu_share` nears 1 measured
the generator.
"""

import argparse
import json

from benchmarks.arrivals import ArrivalGenerator
from benchmarks.dialects import DIALECTS
from benchmarks.generator import Generator
from benchmarks.user import Mode


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dialect", choices=tuple(DIALECTS), default="rhizome")
    parser.add_argument("--users", type=int, default=32)
    parser.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.WAIT)
    parser.add_argument("--warmup", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, help="arrivals a second, on as many connections as there are users")
    given = parser.parse_args()
    common = (given.port, given.users, given.mode, given.warmup, given.seconds, DIALECTS[given.dialect])
    generator = ArrivalGenerator(given.rate, *common) if given.rate else Generator(*common)
    try:
        result = generator.run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    print(json.dumps(result.to_dict()))


if __name__ == "__main__":
    main()
