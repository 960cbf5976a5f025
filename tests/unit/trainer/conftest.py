"""Settings and datasets for the trainer's unit tests."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rhizome.settings import Settings
from trainer.dataset import Dataset, load_dataset

ROOT = Path(__file__).resolve().parents[3]
IRIS = ROOT / "data" / "iris.csv"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("RHIZOME_")]:
        monkeypatch.delenv(name)
    return


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Trains on Iris into a folder of the test's own."""
    return Settings(models_dir=tmp_path / "models", dataset=IRIS)


@pytest.fixture
def iris() -> Dataset:
    return load_dataset(IRIS, "species", 3.0)


@pytest.fixture
def write_csv(tmp_path: Path) -> Callable[[str], Path]:
    """Writes text to a CSV file."""

    def write(text: str) -> Path:
        path = tmp_path / "data.csv"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def mixed_csv(tmp_path: Path) -> Path:
    """120 rows with a nullable number, a whole number and a nullable category, two classes."""
    generator = np.random.default_rng(7)
    lines = ["age,visits,region,churned"]
    for index in range(120):
        churned = index % 2
        age = "" if index % 17 == 0 else f"{generator.normal(40 + 20 * churned, 5):.1f}"
        region = "" if index % 23 == 0 else ("north", "south", "west")[int(generator.integers(3))]
        lines.append(f"{age},{int(generator.integers(1, 9))},{region},{('no', 'yes')[churned]}")
    path = tmp_path / "mixed.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def houses_csv(tmp_path: Path) -> Path:
    """A regression: 100 rows, price from area and rooms with noise."""
    generator = np.random.default_rng(11)
    lines = ["area,rooms,price"]
    for _ in range(100):
        area, rooms = float(generator.uniform(30, 200)), int(generator.integers(1, 7))
        lines.append(f"{area:.2f},{rooms},{1000 * area + 5000 * rooms + generator.normal(0, 3000):.2f}")
    path = tmp_path / "houses.csv"
    path.write_text("\n".join(lines) + "\n")
    return path
