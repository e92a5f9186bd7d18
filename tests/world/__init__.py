"""A simulated world, in which an operator's reconcile runs as it is, and every step can be chosen by a test.

`apiserver` keeps the objects and behaves as the real one does where the operator depends on it (each such behaviour
is also checked against a real one, in `tests/integration/operator`). `kubernetes` models the controllers and the
kubelet, `passes` runs one pass of the operator and lets it crash or lose a race at any write, `explore` walks
through all that can happen.

`subjects` tells what lives in a world: an object of a kind (`tuningjobs`, `datasets`, `automljobs`), its users and its
driver. `lives` lets everybody act in every order; `rules` says what must hold of it.

A world is a value: a step makes a new one, so that all next steps can be tried from it.
"""
