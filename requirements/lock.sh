#!/bin/sh
# Write the hash locks. `all.txt` is the one resolution; every image's lock is a part of it.
set -eu
cd "$(dirname "$0")/.."
lock() {
    output=$1; shift
    uv pip compile -q pyproject.toml --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
        --no-annotate "$@" -o "requirements/$output"
}
lock all.txt --extra operator --extra jobs --extra mlflow --extra torch --extra dev
lock dev.txt --extra operator --extra jobs --extra dev -c requirements/all.txt
lock operator.txt --extra operator -c requirements/all.txt
lock runtime.txt --extra jobs -c requirements/all.txt
lock torch.txt --extra jobs --extra torch -c requirements/all.txt
lock mlflow.txt --extra jobs --extra mlflow -c requirements/all.txt
