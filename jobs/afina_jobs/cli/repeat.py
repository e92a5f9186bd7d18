"""`afina reproduce`: an AutoMLJob again by its manifest, and the comparison."""

import asyncio
import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import optuna
from rich.console import Console

from afina_api.automljob import AutoMLJobSpec
from afina_jobs.automl.learn import Place
from afina_jobs.automl.manifest import FORMAT, Comparison
from afina_jobs.automl.problem import CannotLearnError
from afina_jobs.automl.reproduce import reproduce
from afina_jobs.signals import until_signalled

EXIT_EQUAL = 0
EXIT_DIFFERENT = 1
EXIT_INTERRUPTED = 130
_KEYS = ("job", "spec", "dataset", "folds", "threads", "models", "chosen", "scores", "model", "packages")


def repeat(manifest: Path, dataset: Path | None, output: Path | None) -> int:
    """Fit the models of a manifest again and tell how they compare; the exit code.

    Args:
        manifest: file of the manifest.
        dataset: folder of the Dataset; None for the one next to the manifest's folder.
        output: where the second model is kept, if anywhere.
    """
    first = _read(manifest)
    folder = dataset or manifest.resolve().parent.parent / f"dataset.{first['spec']['datasetRef']['name']}"
    if not folder.is_dir():
        raise click.UsageError(f"there is no {folder}: say with --dataset where the Dataset is")
    console = Console(highlight=False, soft_wrap=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    doing = f"{len(first['models'])} models of {first['job']['name']} are fitted again"
    try:
        with _folder(output) as study, console.status(doing):
            work = reproduce(first, Place(folder, study, study / "work"))
            found = asyncio.run(until_signalled(work, [signal.SIGINT, signal.SIGTERM]))
    except CannotLearnError as error:
        console.print(f"{error.reason}: {error}", markup=False)
        return EXIT_DIFFERENT
    if found is None:
        console.print("Interrupted.")
        return EXIT_INTERRUPTED
    console.print(_told(first, found), markup=False)
    return EXIT_DIFFERENT if found.results else EXIT_EQUAL


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
        if found.get("format") != FORMAT or any(key not in found for key in _KEYS):
            raise ValueError(f"it is no manifest of format {FORMAT}")
        AutoMLJobSpec.model_validate(found["spec"])
    except (OSError, ValueError, AttributeError) as error:
        raise click.UsageError(f"{file} cannot be read: {error}; give the manifest.json of an AutoMLJob") from error
    return dict(found)


@contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    if output is None:
        with TemporaryDirectory() as folder:
            yield Path(folder)
        return
    output.mkdir(parents=True, exist_ok=True)
    if any(output.iterdir()):
        raise click.UsageError(f"{output} is not empty: choose another folder with --output")
    yield output.resolve()


def _told(first: Mapping[str, Any], found: Comparison) -> str:
    packages = [f"  {line}" for line in found.packages]
    others = ["installed in another version, then and now:", *packages] if packages else []
    if found.results:
        return "\n".join(["Different, then and now:", *(f"  {line}" for line in found.results), *others])
    scores = ", ".join(f"{name} {value:.6g}" for name, value in first["scores"].items())
    return "\n".join([f"Equal: {first['chosen']}, {scores}", f"Model: {first['model']}", *others])
