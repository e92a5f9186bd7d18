"""Our part of the AutoML benchmark: `afina run`, and the predictions of the exported model."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from afina_jobs.automl.features.tables import from_table
from afina_models.digest import digest
from afina_models.predictor import Predictor


def main() -> None:
    """Learn from train.parquet as spec.yaml says, and predict test.parquet."""
    folder = Path(sys.argv[1])
    afina = [sys.executable, "-c", "from afina_jobs.cli import main; main()"]
    subprocess.run([*afina, "run", "spec.yaml", "--volume", f"here={folder}"], cwd=folder, check=True)
    model = folder / "afina-runs" / "automljob.model" / "model"
    predictor = Predictor.load(model, digest(model))
    rows = pd.read_parquet(folder / "test.parquet")
    said = predictor.predict(from_table(rows, predictor.pipeline.types))
    values = said.values[:, 1] if said.values.ndim == 2 else said.values
    np.save(folder / "predicted.npy", values)
    if said.half_width is not None:
        (folder / "half_width.json").write_text(json.dumps(said.half_width))


if __name__ == "__main__":
    main()
