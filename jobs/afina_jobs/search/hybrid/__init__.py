"""Hybrid: Afina's own sampler, made for searches of 10 to 50 trials."""
