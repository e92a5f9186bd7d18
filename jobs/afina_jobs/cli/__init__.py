"""The `afina` command. Imports what a verb needs only when it is called, so that it starts at once."""

from pathlib import Path

import click

from afina_api.modeldeployment import ROLLOUT_VERBS
from afina_jobs.cli import rollout
from afina_jobs.cli.explain import explain
from afina_jobs.cli.plot import plot
from afina_jobs.cli.results import results
from afina_jobs.cli.watch import watch
from afina_models.mlflowclient import prepare_mlflow

EXIT_BAD_FILE = 2
EXIT_CODES = """\b
Exit codes:
    0  the search ended as it should, or all Datasets and models are there
    1  the search failed, or a Dataset or an AutoMLJob; the message says why
    2  the file or the command line is wrong
  130  interrupted; the same command goes on where it was
"""

REPRODUCE_CODES = """\b
Exit codes:
    0  equal: the same data, folds, choice, scores and model
    1  something came out differently, or the models could not be fitted; the message says what
    2  the manifest or the command line is wrong
  130  interrupted
"""


@click.group(epilog="Run `afina COMMAND --help` for more.", context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Tune anything: TuningJobs, Datasets and AutoMLJobs without a cluster.

    In a cluster: explain what is there, watch searches, admit models and steer rollouts.
    """
    prepare_mlflow()


@main.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    click.echo(f"afina {installed('afina')}")


def _volumes(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, Path]:
    found = {}
    for one in given:
        name, _, folder = one.partition("=")
        if not name or not Path(folder or "?").is_dir():
            raise click.BadParameter(f"say NAME=FOLDER, with a folder that is there, not {one!r}")
        found[name] = Path(folder).resolve()
    return found


@main.command(epilog=EXIT_CODES)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="Which TuningJob or AutoMLJob, when FILE holds several.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where everything goes: of a TuningJob its study, plots and log  [default: afina-runs/NAME]; else the folders "
    "dataset.NAME and automljob.NAME  [default: afina-runs]",
)
@click.option(
    "--volume",
    "volumes",
    metavar="NAME=FOLDER",
    multiple=True,
    callback=_volumes,
    help="The folder that stands for the volume that a Dataset's claimRef names. Can be given several times.",
)
@click.pass_context
def run(context: click.Context, file: Path, name: str | None, output: Path | None, volumes: dict[str, Path]) -> None:
    """Do what FILE says, here and without a cluster.

    FILE is what `kubectl apply -f` takes. It holds a TuningJob, or Datasets and the AutoMLJobs that learn from them;
    a ConfigMap that they name as their source must be in it too. Datasets come first, in their order, then AutoMLJobs;
    the first that fails ends the run.

    What has been tried is kept in the output folder: the same command goes on where it was, and with a larger
    budget.maxTrials a TuningJob goes further. An AutoMLJob's model is registered if MLFLOW_TRACKING_URI is set.
    """
    from afina_jobs.specfile.load import LoadedJob, load
    from afina_jobs.specfile.yamllines import BadFileError

    try:
        loaded = load(file, name, volumes)
    except BadFileError as error:
        for problem in error.problems:
            click.echo(f"{file}:{problem.line}: {problem}", err=True)
        context.exit(EXIT_BAD_FILE)

    if isinstance(loaded, LoadedJob):
        from afina_jobs.cli.laptop import search

        context.exit(search(loaded, output or Path("afina-runs") / loaded.job.metadata.name))

    from afina_jobs.cli.data import run_data

    context.exit(run_data(loaded, output or Path("afina-runs")))


@main.command(epilog=REPRODUCE_CODES)
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--dataset",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The Dataset's folder, as `afina run` makes it, or a copy of its volume  [default: the folder dataset.NAME "
    "next to the manifest's]",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the second model goes; it must be empty  [default: a folder that is taken away]",
)
@click.pass_context
def reproduce(context: click.Context, manifest: Path, dataset: Path | None, output: Path | None) -> None:
    """Do an AutoMLJob again by its MANIFEST, and compare.

    MANIFEST is the manifest.json that an AutoMLJob leaves in its folder, and in MLflow beside its report:
    `mlflow artifacts download -u runs:/RUN_ID/manifest.json` gets it from there.

    The models that were tried are fitted again, in the same folds; the search is not repeated. The comparison is of
    the data, the folds, the chosen model, its scores and its digest. Where they differ, the packages that were
    installed in another version are told, too.
    """
    from afina_jobs.cli.repeat import repeat

    context.exit(repeat(manifest, dataset, output))


def _names(_context: click.Context, _option: click.Parameter, given: str | None) -> list[str]:
    names = [name.strip() for name in given.split(",")] if given else []
    if not all(names):
        raise click.BadParameter(f"say NAME,NAME, not {given!r}")
    return names


@main.command("admit")
@click.argument("model")
@click.option(
    "--classes",
    metavar="NAME,NAME,...",
    callback=_names,
    help="Names of the classes, in the order of their codes  [default: 0,1,...]",
)
def admit_model(model: str, classes: list[str]) -> None:
    """Let a model be served that Afina did not make.

    MODEL is models:/NAME/VERSION in the registry that MLFLOW_TRACKING_URI names. What MLflow has saved of XGBoost,
    LightGBM or ONNX, without pickle and with a signature that names the columns, is written once more beside its
    files, as the model server reads it, and the version gets the tag that a ModelDeployment asks for. No code of it
    is run.
    """
    import os

    if not os.environ.get("MLFLOW_TRACKING_URI"):
        raise click.UsageError("MLFLOW_TRACKING_URI is not set: say where the registry is")

    from afina_jobs.admission.admit import admit
    from afina_jobs.admission.foreign import AdmissionError

    try:
        found = admit(model, classes)
    except AdmissionError as error:
        raise click.ClickException(f"{model} is not admitted: {error}") from error
    predicts = f"the classes {', '.join(found.classes)}" if found.classes else "a number"
    click.echo(f"{model} is admitted: {found.family} predicts {predicts} from {', '.join(found.columns)}")
    click.echo(f"afina.digest: {found.digest}")


main.add_command(explain)
main.add_command(results)
main.add_command(plot)
main.add_command(watch)
for verb in ROLLOUT_VERBS:
    main.add_command(rollout.command(verb))
