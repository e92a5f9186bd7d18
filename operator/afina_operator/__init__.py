"""The operator of Afina: watches the custom resources and makes the cluster do what they say.

Every kind is handled the same way: *observe* what exists, *plan* the next step, *apply* it. `reconciler` does that
for one object, `workqueue` says which object is next, `watches` and `audit` notice what changed, `lease` allows one
operator at a time to write, and `cluster` is the only module that talks to the API server.

`driver` holds what the kinds have in common whose work the pod of one Kubernetes Job does; `tuningjob`, `dataset` and
`automljob` say what is special about each: the pod's needs, the reasons, the words. `driver.ray` makes the Ray cluster
of a TuningJob with workers, `driver.queue` leaves it to Kueue to start what is queued.

`modeldeployment` rolls out what is served, `judge` says whether a canary is worse, `registry` which model is meant.
"""
