"""From the rows of a Dataset to a fitted pipeline."""
