"""What the kinds have in common whose work is done by a driver: the pod of one Kubernetes Job."""
