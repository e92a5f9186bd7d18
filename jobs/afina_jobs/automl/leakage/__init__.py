"""Finds columns that tell a model what it could not know."""
