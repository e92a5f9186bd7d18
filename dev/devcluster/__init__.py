"""A real Kubernetes on one bare machine, for development and tests. Standard library only: it runs before any venv."""
