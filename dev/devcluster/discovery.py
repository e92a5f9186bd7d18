"""Tells Prometheus which pods to scrape; Debian's build of it cannot ask Kubernetes itself.

Runs as a program of its own: it serves Prometheus' HTTP service discovery, and asks the API server at every request.
"""

import argparse
import json
import ssl
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_ANNOTATION = "prometheus.io/"


def targets(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The running pods annotated prometheus.io/scrape, at their prometheus.io/port and /path."""
    found = []
    for pod in pods:
        metadata, status = pod["metadata"], pod["status"]
        annotations = metadata.get("annotations", {})
        port = annotations.get(f"{_ANNOTATION}port")
        if annotations.get(f"{_ANNOTATION}scrape") == "true" and port and status.get("phase") == "Running":
            labels = {
                "namespace": metadata["namespace"],
                "pod": metadata["name"],
                "__metrics_path__": annotations.get(f"{_ANNOTATION}path", "/metrics"),
            }
            found.append({"targets": [f"{status['podIP']}:{port}"], "labels": labels})
    return found


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--listen", "--server", "--authority", "--certificate", "--key"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    context = ssl.create_default_context(cafile=options.authority)
    context.load_cert_chain(options.certificate, options.key)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with urllib.request.urlopen(f"{options.server}/api/v1/pods", timeout=10, context=context) as answer:  # noqa: S310
                body = json.dumps(targets(json.load(answer)["items"])).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing of what went well."""

    host, _, port = options.listen.partition(":")
    ThreadingHTTPServer((host, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
