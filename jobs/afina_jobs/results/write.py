"""Writes all that people may want to look at after a search."""

import logging
from collections.abc import Sequence
from pathlib import Path

from optuna import Study

from afina_api.tuningjob import TuningJob
from afina_jobs.results.table import write_table
from afina_jobs.study.standing import count

log = logging.getLogger(__name__)


def write_results(study: Study, job: TuningJob, folder: Path) -> Sequence[Path]:
    """Write the plots and the table into a folder; the files. A full volume is logged, not raised."""
    trials = study.get_trials(deepcopy=False)
    plots, table = folder / "plots.html", folder / "trials.csv"
    try:
        write_table(trials, job.spec, table)
        if count(trials).succeeded:
            from afina_jobs.results.plots import write_plots  # Plotly takes a while to import

            write_plots(study, job.spec.objectives, f"{job.metadata.namespace}/{job.metadata.name}", plots)
    except OSError as error:
        log.warning("the plots cannot be written: %s", error)
    return [path for path in (plots, table) if path.exists()]
