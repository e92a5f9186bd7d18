"""`afina watch`: how a search stands, until it ends."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from afina_jobs.cli.kubectl import TUNING_JOB, KubectlError, get, namespace_option
from afina_jobs.explain.facts import Json, condition

Show = Callable[[str], None]

EXIT_ENDED = 0
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

_PAUSE_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0
"""So long an API server that does not answer is asked again."""
_EXIT_CODES = """\b
Exit codes:
    0  the search ended as it should
    1  it failed, or the TuningJob is gone; the message says why
    2  the command line is wrong
  130  interrupted; the search goes on
"""


@click.command(epilog=_EXIT_CODES, params=[namespace_option("TuningJob")])
@click.argument("kind", type=click.Choice(TUNING_JOB, case_sensitive=False))
@click.argument("name")
@click.pass_context
def watch(context: click.Context, kind: str, name: str, namespace: str | None) -> None:
    """Watch a search until it ends: its trials, its best, what more of them would bring.

    On a terminal it is one line that moves, and a line for each new best; elsewhere a line for each change.
    """
    try:
        with _screen() as (move, say):
            job = _follow(lambda: get(kind, name, namespace=namespace), move, say)
    except KubectlError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        context.exit(EXIT_INTERRUPTED)
    click.echo(ending(job))
    context.exit(EXIT_ENDED if _summary(job).get("status") == "True" else EXIT_FAILED)


@contextmanager
def _screen() -> Iterator[tuple[Show, Show]]:
    """What shows the line that moves, and what says a line that stays."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield click.echo, lambda _: None
        return
    with console.status("", spinner="line") as status:
        yield lambda line: status.update(escape(line)), lambda line: console.print(line, markup=False)


def _follow(read: Callable[[], Json], move: Show, say: Show) -> Json:
    """Look again and again until the search is over; the TuningJob as it is then.

    Raises:
        KubectlError: it is not there, or the API server has not answered for a while.
    """
    job, shown, best, answered = read(), "", "", time.monotonic()
    while True:
        line, leader = standing(job), _best(job)
        if line != shown:
            move(line)
        if leader != best:
            say(line)
        shown, best = line, leader
        if _summary(job).get("status") in ("True", "False"):
            return job
        time.sleep(_PAUSE_SECONDS)
        try:
            job, answered = read(), time.monotonic()
        except KubectlError as error:
            if "NotFound" in str(error) or time.monotonic() - answered > _PATIENCE_SECONDS:
                raise


def standing(job: Json) -> str:
    """How the search stands, in one line."""
    status = job.get("status", {})
    counts, budget = status.get("trials") or {}, job["spec"].get("budget", {}).get("maxTrials")
    ended = counts.get("total", 0) - counts.get("running", 0)
    parts = [f"{ended}/{budget} trials"]
    parts += [f"{counts[state]} {state}" for state in ("running", "failed", "pruned") if counts.get(state)]
    parts += [f"best {_best(job)}"] if _best(job) else []
    more = status.get("forecast")
    if more:
        likely = f"{more['optimistic']:.6g} to {more['pessimistic']:.6g}"
        parts.append(f"with {more['trials']} more likely {likely}")
    return f"{_summary(job).get('reason', 'not seen by the operator yet')}: {', '.join(parts)}"


def ending(job: Json) -> str:
    """What came of it, and what can be done next."""
    summary, name = _summary(job), job["metadata"]["name"]
    lines = [f"{summary.get('reason')}: {summary.get('message', '')}"]
    for leader in (job["status"].get("best") or ())[:1]:
        size = (job["status"].get("front") or {}).get("size")
        lines.append(f"Pareto front of {size}, its knee: {_best(job)}" if size else f"Best: {_best(job)}")
        lines += [f"  {param['name']}: {param['value']}" for param in leader["params"]]
    good = summary.get("status") == "True"
    lines.append(f"Next: afina {'results' if good else 'explain'} tuningjob {name}")
    return "\n".join(lines)


def _best(job: Json) -> str:
    """The best value with its metric, and the trial that has it."""
    status = job.get("status", {})
    leader = next(iter(status.get("best") or ()), None)
    if leader is None:
        return ""
    values = ", ".join(f"{metric} {value:.6g}" for metric, value in leader["values"].items())
    return f"{values} (trial {leader['number']})"


def _summary(job: Json) -> Json:
    return condition(job, "Succeeded")
