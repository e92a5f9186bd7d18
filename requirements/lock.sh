#!/bin/sh
# Write the hash locks. `all.txt` is the one resolution; every other lock is a part of it.
set -eu
cd "$(dirname "$0")/.."
lock() {
    output=$1; shift
    uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
        "$@" -o "requirements/$output"
}
part() {
    output=$1; shift
    lock "$output" pyproject.toml -c requirements/all.txt "$@"
}
lock all.txt pyproject.toml --all-extras
part dev.txt --extra operator --extra jobs --extra serving --extra torch --extra torchserve --extra dev
part operator.txt --extra operator
part runtime.txt --extra jobs --extra serving
part torch.txt --extra jobs --extra serving --extra torch
part torchserve.txt --extra jobs --extra serving --extra torchserve
part mlflow.txt --extra jobs --extra serving --extra mlflow
echo uv | lock uv.txt - -c requirements/all.txt
