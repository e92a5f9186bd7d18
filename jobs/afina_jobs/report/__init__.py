"""What the driver tells the cluster: the status as it goes, and why it ended."""
