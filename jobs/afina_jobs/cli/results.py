"""`afina results`: the trials of a search, as a table."""

import json

import click

from afina_jobs.cli.recorded import about_a_search, read


@click.command(params=about_a_search())
@click.option("-o", "--output", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@click.option("--top", type=click.IntRange(min=1), help="Only so many: the best, best first  [default: all, by number]")
def results(
    search: tuple[str, ...], namespace: str | None, tracking_uri: str | None, form: str, top: int | None
) -> None:
    """Show the trials of a search.

    Of a TuningJob in the cluster, MLflow has all that have ended; where nobody says where it is, the best five are
    shown, which the status keeps. Of a FOLDER that `afina run` has made, or a copy of a job's volume, the study in it
    is read.
    """
    from afina_jobs.results.table import Columns, as_csv, as_objects, as_text
    from afina_jobs.study.standing import best

    found = read(search, namespace, tracking_uri)
    columns = Columns.of(found.trials, [objective.metric for objective in found.objectives])
    trials = best(found.trials, found.objectives, top) if top else found.trials
    if form == "json":
        click.echo(json.dumps(as_objects(trials, columns), indent=2))
    elif form == "csv":
        click.echo(as_csv(trials, columns), nl=False)
    else:
        click.echo(as_text(trials, columns))
