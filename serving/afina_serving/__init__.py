"""What runs behind a port: the model server and the REST gateway join with ModelDeployment."""
