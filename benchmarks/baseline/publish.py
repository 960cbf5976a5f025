"""Publishes tasks and goes: `python -m benchmarks.baseline.publish 10000`."""

import sys

from benchmarks.baseline.tasks import predict

FLOWERS = ([5.1, 3.5, 1.4, 0.2], [5.7, 2.8, 4.1, 1.3], [6.3, 3.3, 6.0, 2.5])

if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        predict.delay(FLOWERS[number % len(FLOWERS)])
