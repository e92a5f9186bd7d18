"""Runs the operator: `python -m afina_operator`."""

from afina_operator.main import main

main()
