"""Brings the source's bytes to this machine, one file a kind of source."""
