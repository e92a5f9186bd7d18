"""What runs in a TuningJob's pod, and on a laptop: the search, its trials, and the `afina` command."""
