"""Trials under Ray Tune, in a process beside the driver: see docs/decisions for what is whose."""
