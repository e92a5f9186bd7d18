"""Images with labels: decoded with care, measured, and told apart."""
