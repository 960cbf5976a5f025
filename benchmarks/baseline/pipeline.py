"""Trains the baseline's pipeline: the same estimator on the same data as Rhizome's example model.

Run as `python -m benchmarks.baseline.pipeline data/iris.csv model.joblib`. Apart from the tasks, because the
web processes import those and must not load scikit-learn.
"""

import csv
import sys
from pathlib import Path

import joblib
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

TARGET = "species"
SEED = 42


def train(dataset: Path) -> Pipeline:
    """Fits scaler and logistic regression on every row of a CSV file whose last column is the target."""
    with dataset.open(newline="") as file:
        rows = list(csv.DictReader(file))
    features = [[float(value) for name, value in row.items() if name != TARGET] for row in rows]
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(random_state=SEED, max_iter=1000))
    return pipeline.fit(features, [row[TARGET] for row in rows])


if __name__ == "__main__":
    joblib.dump(train(Path(sys.argv[1])), sys.argv[2])
