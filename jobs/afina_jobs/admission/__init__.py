"""Models that Afina did not make: checked once, and written as the folder that the model server reads."""
