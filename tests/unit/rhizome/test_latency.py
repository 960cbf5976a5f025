"""Latency histograms: percentiles within the stated error, over the recent window only."""

import time
from collections import Counter

import numpy as np
import pytest
from redis import Redis

from rhizome import keys, latency
from rhizome.latency import BUCKET_SECONDS, SMALLEST_MS, WINDOW_BUCKETS, bin_of, percentile

STATED_ERROR = 0.035


def histogram_of(milliseconds: np.ndarray) -> Counter[int]:
    return Counter(bin_of(value) for value in milliseconds.tolist())


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.9, 0.95, 0.99, 1.0])
@pytest.mark.parametrize("kind", ["lognormal", "uniform", "bimodal"])
def test_percentiles_agree_with_numpy_within_the_stated_error(fraction: float, kind: str) -> None:
    random = np.random.default_rng(42)
    values = {
        "lognormal": random.lognormal(2.0, 1.0, 20_000),
        "uniform": random.uniform(0.2, 500.0, 20_000),
        "bimodal": np.concatenate([random.normal(3.0, 0.1, 10_000), random.normal(800.0, 20.0, 10_000)]),
    }[kind]

    found = percentile(histogram_of(values), fraction)

    exact = float(np.quantile(values, fraction, method="inverted_cdf"))
    assert found == pytest.approx(exact, rel=STATED_ERROR)


def test_an_empty_histogram_has_no_percentiles() -> None:
    assert percentile({}, 0.5) is None
    assert percentile({3: 0}, 0.5) is None


@pytest.mark.parametrize("milliseconds", [-5.0, 0.0, 1e-9, SMALLEST_MS])
def test_everything_fast_falls_into_the_first_bin(milliseconds: float) -> None:
    assert bin_of(milliseconds) == 0


def test_bins_grow_with_the_latency() -> None:
    bins = [bin_of(value) for value in np.geomspace(0.1, 1e6, 500)]

    assert bins == sorted(bins)
    assert len(set(bins)) > 200


def test_what_several_workers_record_is_added_up(redis: Redis) -> None:
    latency.record(redis, {10: 3, 20: 1})
    latency.record(redis, {10: 2})

    assert latency.recent(redis) == Counter({10: 5, 20: 1})


def test_the_past_falls_out_of_the_window_and_out_of_redis(redis: Redis) -> None:
    now = int(time.time() // BUCKET_SECONDS)
    redis.hset(keys.latency(now - WINDOW_BUCKETS), "10", 1)
    redis.hset(keys.latency(now - WINDOW_BUCKETS + 3), "20", 1)

    latency.record(redis, {30: 1})

    assert latency.recent(redis) == Counter({20: 1, 30: 1})
    (recorded,) = [key for key in redis.keys(keys.latency(0)[:-1] + "*") if redis.ttl(key) > 0]
    assert redis.ttl(recorded) >= BUCKET_SECONDS * WINDOW_BUCKETS
