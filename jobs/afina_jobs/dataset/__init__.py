"""What runs in a Dataset's Job: fetch the source, read it, check it, and keep what is accepted on a volume."""
