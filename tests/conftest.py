"""For all tests."""

from afina_models.telemetry import send_no_telemetry

# Tests that import MLflow report to nobody. (It keeps the number of its session in the environment, too, from a thread:
# others that read the environment meanwhile fail.)
send_no_telemetry()
