"""From the spec's words to Optuna's: the space, the sampler, the pruner."""
