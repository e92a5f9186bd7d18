"""What a search leaves for people: plots, a table of its trials."""
