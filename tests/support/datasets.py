"""Small datasets with a known truth, written as CSV."""

from pathlib import Path

import numpy as np

#: One row of `write_customers`, without its targets.
CUSTOMER = {"age": 62.5, "visits": 8.5, "region": "north"}


def write_houses(path: Path) -> Path:
    """200 rows of area and rooms; `price` follows from both."""
    generator = np.random.default_rng(11)
    lines = ["area,rooms,price"]
    for _ in range(200):
        area, rooms = float(generator.uniform(30, 200)), int(generator.integers(1, 7))
        lines.append(f"{area:.2f},{rooms},{1000 * area + 5000 * rooms + generator.normal(0, 3000):.2f}")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_customers(path: Path) -> Path:
    """200 rows of age, visits and region; `churned` follows from age, `tier` (1 to 3) from visits."""
    generator = np.random.default_rng(5)
    lines = ["age,visits,region,churned,tier"]
    for index in range(200):
        age, visits = generator.normal(30 + 30 * (index % 2), 6), float(generator.uniform(0, 9))
        region = ("north", "south")[int(generator.integers(2))]
        lines.append(f"{age:.2f},{visits:.2f},{region},{('no', 'yes')[int(age > 45)]},{1 + int(visits // 3)}")
    path.write_text("\n".join(lines) + "\n")
    return path
