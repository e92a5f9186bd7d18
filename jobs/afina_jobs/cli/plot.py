"""`afina plot`: the plots of a search, on one page."""

from pathlib import Path

import click

from afina_jobs.cli.recorded import about_a_search, read


@click.command(params=about_a_search())
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE.html")
def plot(search: tuple[str, ...], namespace: str | None, tracking_uri: str | None, output: Path) -> None:
    """Draw the trials of a search on a page that a browser shows, without a network.

    The history, how much each parameter matters, parallel coordinates, slices, contours of the weightiest parameters,
    and of several objectives the Pareto front. The trials are those that `afina results` shows; a search may still run.
    """
    from afina_jobs.results.plots import write_plots
    from afina_jobs.results.record import as_study
    from afina_jobs.study.standing import count

    found = read(search, namespace, tracking_uri)
    if not count(found.trials).succeeded:
        raise click.ClickException("no trial has succeeded yet: there is nothing to draw")
    try:
        write_plots(as_study(found), found.objectives, found.title, output)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error
    click.echo(f"Plots: {output}")
