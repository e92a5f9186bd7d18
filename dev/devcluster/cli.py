"""The verbs: python3 -m devcluster VERB."""

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from devcluster import cluster, components, host, images, node_images, processes, tools
from devcluster.builder import Builder
from devcluster.configs import REGISTRY
from devcluster.console import DevClusterError, Timeline, say
from devcluster.paths import CHECKOUT, Paths, find_paths


def main(arguments: Sequence[str]) -> int:
    """Run one verb; the exit status is 1 when it failed or, for `status`, when something is not healthy."""
    options = _parser().parse_args(arguments)
    try:
        paths = find_paths(os.environ)
        if options.alone:
            with _alone(paths):
                return int(options.run(paths, options) or 0)
        return int(options.run(paths, options) or 0)
    except DevClusterError as error:
        print(f"devcluster: {error}", file=sys.stderr)
        return 1


def _up(paths: Paths, options: argparse.Namespace) -> None:
    timeline = Timeline()
    if _is_foreign(paths):
        say(f"no cluster is started: KUBECONFIG and AFINA_REGISTRY name {os.environ['KUBECONFIG']}")
    else:
        with timeline.phase("packages"):
            host.prepare(paths)
        cluster.up(paths, timeline, kuberay=options.kuberay)
    if not options.no_images:
        with timeline.phase("images"):
            _build_images(paths, torch=False)
    say(timeline.summary())
    print(f"export KUBECONFIG={_kubeconfig_path(paths)}")


def _down(paths: Paths, _: argparse.Namespace) -> None:
    host.require_root()
    cluster.down(paths)
    say(f"the cluster is down; programs and images stay in {paths.root}")


def _status(paths: Paths, _: argparse.Namespace) -> int:
    return 0 if cluster.status(paths) else 1


def _kubeconfig(paths: Paths, _: argparse.Namespace) -> None:
    print(_kubeconfig_path(paths))


def _images(paths: Paths, options: argparse.Namespace) -> None:
    for name, reference in _build_images(paths, torch=options.torch).items():
        print(f"  {name:15} {reference}")


def _image_refs(paths: Paths, _: argparse.Namespace) -> None:
    print(json.dumps(images.references(CHECKOUT, _registry(paths))))


def _tools(paths: Paths, options: argparse.Namespace) -> None:
    host.prepare(paths)
    for binary in tools.build(options.names, paths).values():
        print(binary)


def _tool_path(paths: Paths, options: argparse.Namespace) -> None:
    binary = tools.locate([options.name], paths)[options.name]
    if not binary.exists():
        raise DevClusterError(f"{options.name} is not built: run the verb `tools {options.name}`")
    print(binary)


def _build_images(paths: Paths, *, torch: bool) -> dict[str, str]:
    host.prepare(paths)
    wanted = [image for image in images.IMAGES if torch or not image.on_request]
    if _is_foreign(paths):
        return Builder(paths, _registry(paths)).build(wanted)
    cluster.refuse_anothers(paths)
    processes.ensure([components.registry(paths)], paths)
    if not cluster.is_up(paths):
        return Builder(paths, REGISTRY).build(wanted)
    used = node_images.in_use(tools.locate(["kubectl"], paths)["kubectl"], paths)
    built = Builder(paths, REGISTRY).build(wanted, used)
    node_images.keep(built.values(), used, paths)
    return built


@contextmanager
def _alone(paths: Paths) -> Iterator[None]:
    """Wait until no other devcluster changes things."""
    paths.root.mkdir(parents=True, exist_ok=True)
    with (paths.root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another devcluster command")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_foreign(paths: Paths) -> bool:
    """Whether a cluster that is not ours is to be used: both it and a registry that it pulls from are named."""
    return bool(os.environ.get("AFINA_REGISTRY")) and _kubeconfig_path(paths) != str(paths.kubeconfig)


def _kubeconfig_path(paths: Paths) -> str:
    foreign = os.environ.get("AFINA_REGISTRY") and os.environ.get("KUBECONFIG")
    return foreign or str(paths.kubeconfig)


def _registry(paths: Paths) -> str:
    return os.environ["AFINA_REGISTRY"] if _is_foreign(paths) else REGISTRY


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devcluster", description="A real Kubernetes on this machine.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: object, text: str, *, alone: bool = False) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(run=run, alone=alone)
        return added

    up = verb("up", _up, "Install, build and start what is missing; repair what died.", alone=True)
    up.add_argument("--no-images", action="store_true", help="do not build the project's images")
    up.add_argument("--kuberay", action="store_true", help="with KubeRay, which then stays until `down`")
    verb("down", _down, "Stop everything and leave no trace; programs and images stay cached.", alone=True)
    verb("status", _status, "Show how each component is.")
    verb("kubeconfig", _kubeconfig, "Print the path of the kubeconfig.")
    build = verb("images", _images, "Build and push the project's images.", alone=True)
    build.add_argument("--torch", action="store_true", help="build the torch image too (5 GB)")
    verb("image-refs", _image_refs, "Print the images' references as JSON, without building.")
    build = verb("tools", _tools, "Build the named tools and print their paths.", alone=True)
    build.add_argument("names", nargs="+", metavar="NAME")
    path = verb("tool-path", _tool_path, "Print the path of a tool that is built.")
    path.add_argument("name", metavar="NAME")
    return parser
