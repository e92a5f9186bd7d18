"""What runs behind a port: the model server. The same rows get the same answers as in the job that made the model."""
