"""Reads the objects in a YAML file that a person wrote, and says on which line what is wrong."""
