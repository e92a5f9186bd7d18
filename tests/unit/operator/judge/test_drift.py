"""Drift of predictions: the bins, and what is shown by them."""

from afina_operator.judge import Evidence, Limits, Outcome, Sample, Verdict, judge, look

LIMITS = Limits(min_samples=1, max_error_share_increase=0.1, max_latency_ratio=1.5, max_prediction_drift=0.1)


def predicted(**bins: int) -> Sample:
    return Sample(requests=sum(bins.values()), predictions=bins)


def judged(canary: Sample, stable: Sample, looks: int = 20) -> Verdict:
    evidence = Evidence()
    for _ in range(looks):
        evidence = look(evidence, canary, stable, LIMITS)
    return judge(evidence, LIMITS)


def test_the_same_predictions_are_safe() -> None:
    drift = judged(predicted(yes=31, no=69), predicted(yes=30, no=70)).findings[2]
    assert drift.outcome is Outcome.PASS


def test_a_bin_that_grows_or_shrinks_is_harm() -> None:
    for canary, named in ((predicted(a=60, b=20, c=20), "60 %"), (predicted(a=5, b=48, c=47), "5 %")):
        drift = judged(canary, predicted(a=34, b=33, c=33)).findings[2]
        assert drift.outcome is Outcome.FAIL
        assert drift.message.startswith(f"predictions: {named} of 2000 canary predictions are 'a', 34 % of 2000 stable")


def test_every_bin_must_be_safe() -> None:
    drift = judged(predicted(a=39, b=41, c=20), predicted(a=30, b=40, c=30)).findings[2]
    assert drift.outcome is Outcome.INCONCLUSIVE


def test_a_class_that_stable_never_predicts_is_another_bin() -> None:
    evidence = look(Evidence(), Sample(), predicted(a=50, b=50), LIMITS)
    for _ in range(20):
        evidence = look(evidence, predicted(a=30, b=30, new=40), predicted(a=50, b=50), LIMITS)
    assert evidence.canary.predictions == {"(other)": 800, "a": 600, "b": 600}
    drift = judge(evidence, LIMITS).findings[2]
    assert drift.outcome is Outcome.FAIL
    assert "'(other)'" in drift.message


def test_only_the_most_frequent_bins_are_kept_and_only_names_that_can_be_shown() -> None:
    many = {f"bin{index}": index for index in range(200)} | {"x" * 64: 500, "\x1b[2J": 500}
    kept = look(Evidence(), predicted(**many), predicted(**many), LIMITS).stable.predictions
    assert len(kept) == 49
    assert "bin199" in kept
    assert sum(kept.values()) == sum(many.values())


def test_twice_the_evidence_of_many_bins_fits_into_the_status() -> None:
    # In JSON a quote takes two characters.
    many = {'"' * 60 + f"{index:03}": 10**9 + index for index in range(200)}
    evidence = Evidence()
    for _ in range(3):
        evidence = look(evidence, predicted(**many), predicted(**many), LIMITS)
    assert '"' * 60 + "199" in evidence.stable.predictions
    assert 2 * len(evidence.model_dump_json()) < 65_536


def test_without_predictions_nothing_is_decided() -> None:
    drift = judged(Sample(requests=100), Sample(requests=100)).findings[2]
    assert (drift.outcome, drift.message) == (Outcome.INCONCLUSIVE, "predictions: nothing to compare yet")
