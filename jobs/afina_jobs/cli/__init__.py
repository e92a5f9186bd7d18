"""The `afina` command. Imports what a verb needs only when it is called, so that it starts at once."""

from pathlib import Path

import click

EXIT_BAD_FILE = 2
EXIT_CODES = """\b
Exit codes:
    0  the search ended as it should
    1  the search failed; the message says why
    2  the file or the command line is wrong
  130  interrupted; the same command goes on where it was
"""


@click.group(epilog="Run `afina COMMAND --help` for more.", context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Tune anything: TuningJobs without a cluster."""


@main.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    click.echo(f"afina {installed('afina')}")


@main.command(epilog=EXIT_CODES)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="Which TuningJob, when FILE holds several.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where study, plots and log go.  [default: afina-runs/NAME]",
)
@click.pass_context
def run(context: click.Context, file: Path, name: str | None, output: Path | None) -> None:
    """Search as the TuningJob in FILE says, here and without a cluster.

    FILE is what `kubectl apply -f` takes; a ConfigMap that the job names as its source must be in it too. The study is
    kept in the output folder: the same command goes on where it was, and with a larger budget.maxTrials it goes
    further.
    """
    from afina_jobs.specfile.load import load_job
    from afina_jobs.specfile.yamllines import BadFileError

    try:
        loaded = load_job(file, name)
    except BadFileError as error:
        for problem in error.problems:
            click.echo(f"{file}:{problem.line}: {problem}", err=True)
        context.exit(EXIT_BAD_FILE)

    from afina_jobs.cli.laptop import search

    context.exit(search(loaded, output or Path("afina-runs") / loaded.job.metadata.name))
