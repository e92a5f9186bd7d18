"""Two hundred TuningJobs at rest: all are seen, and neither a second look nor a restart writes anything."""

import pytest

from support.lab import Lab, a_job, assert_quiet, eventually

pytestmark = pytest.mark.integration

MANY = 200


def test_many_jobs_at_rest_cost_no_write(lab: Lab) -> None:
    operator = lab.working_operator()
    lab.apply(*(a_job(f"job-{number}", spec__suspend=True) for number in range(MANY)))
    eventually("all are seen", lambda: operator.metric("afina_objects", reason="Suspended") == MANY)
    assert operator.metric("afina_api_writes_total", kind="TuningJob") == MANY, "one status for each"
    assert_quiet(operator)
    assert operator.stop() == 0

    again = lab.working_operator()
    eventually("all are seen again", lambda: again.metric("afina_objects", reason="Suspended") == MANY)
    assert again.metric("afina_api_writes_total") == 0, "a restart finds nothing to do"
    assert_quiet(again)
    assert again.probe("/healthz") == 200
