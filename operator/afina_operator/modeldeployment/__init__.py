"""ModelDeployment: revisions of a model behind a route, each change a judged canary."""
