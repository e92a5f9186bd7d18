"""Building images with buildah and pushing them. No Docker engine, nothing pulled: the base is made from packages."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Collection

from devcluster import registry
from devcluster.configs import REGISTRY
from devcluster.console import run_logged, run_quiet, say
from devcluster.images import BASE_RECIPE, BUSYBOX, Image, references
from devcluster.paths import CHECKOUT, Paths

_RECIPE_HASH = hashlib.sha256(" ".join(BASE_RECIPE).encode()).hexdigest()[:12]
_BASE = f"localhost/afina-base:{_RECIPE_HASH}"
_TOOLS = f"localhost/afina-tools:{_RECIPE_HASH}"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class Builder:
    """Builds images in a buildah store below the cache and pushes them to one registry."""

    def __init__(self, paths: Paths, target: str) -> None:
        self._paths = paths
        self._registry = target
        self._folder = paths.images
        # TMPDIR also holds the cache mounts of the builds, so that they lie in our cache.
        own = {"STORAGE_DRIVER": "overlay", "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(self._folder / "tmp")}
        self._env = os.environ | own
        self._buildah = ("buildah", f"--root={self._folder / 'store'}", f"--runroot={self._folder / 'run'}")

    def build(self, wanted: Collection[Image], used: Collection[str] = ()) -> dict[str, str]:
        """Build and push those images that the registry lacks; returns the references of all, by name.

        Images that they replace are removed, except those in use.
        Raises DevClusterError with the end of the log when a build fails.
        """
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
        all_references = references(CHECKOUT, self._registry)
        missing = [image for image in wanted if not self._is_pushed(all_references[image.name])]
        for image in missing:
            reference = all_references[image.name]
            say(f"  building {reference}")
            self._build(image, reference)
            self._run(f"push {image.name}", ["push", "--quiet", *self._tls(), reference, f"docker://{reference}"])
        if missing:
            self._prune({all_references[image.name] for image in missing}, used)
        return {image.name: all_references[image.name] for image in wanted}

    def _is_pushed(self, reference: str) -> bool:
        # A foreign registry may ask for credentials, which buildah has and we do not: there, every push is tried.
        return self._registry == REGISTRY and registry.digest(reference) is not None

    def _build(self, image: Image, reference: str) -> None:
        if image == BUSYBOX:
            self._build_busybox(reference)
            return
        if not self._exists(_BASE):
            self._build_base()
        self._build_python("tools", _TOOLS, [])
        # buildah mounts an empty stage when the stage itself came from its cache; an image of its own is never empty.
        self._build_python(image.name, reference, ["--build-context", f"tools=docker-image://{_TOOLS}"])

    def _build_python(self, target: str, reference: str, extra: list[str]) -> None:
        containerfile = CHECKOUT / "dev" / "images" / "Containerfile"
        flags = [
            "--layers",
            f"--target={target}",
            f"--tag={reference}",
            f"--file={containerfile}",
            f"--ignorefile={containerfile}.dockerignore",
            f"--build-arg=BASE_IMAGE={_BASE}",
            # This machine's authorities, for the build alone.
            f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro",
        ]
        if index := os.environ.get("PIP_INDEX_URL"):
            flags.append(f"--build-arg=PIP_INDEX_URL={index}")
        self._run(f"build {target}", ["build", *flags, *extra, str(CHECKOUT)])

    def _build_busybox(self, reference: str) -> None:
        context = self._folder / "busybox"
        context.mkdir(exist_ok=True)
        shutil.copy("/bin/busybox", context / "busybox")
        containerfile = CHECKOUT / BUSYBOX.containerfile
        self._run("build busybox", ["build", f"--tag={reference}", f"--file={containerfile}", str(context)])

    def _build_base(self) -> None:
        context = self._folder / "base"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir()
        run_logged(
            "mmdebstrap", [*BASE_RECIPE, str(context / "base.tar")], self._paths.logs / "base.log", env=self._env
        )
        (context / "Containerfile").write_text("FROM scratch\nADD base.tar /\n")
        self._run("build base", ["build", f"--tag={_BASE}", str(context)])
        shutil.rmtree(context)

    def _exists(self, reference: str) -> bool:
        argv = [*self._buildah, "inspect", "--type=image", reference]
        return subprocess.run(argv, env=self._env, capture_output=True, check=False).returncode == 0

    def _prune(self, current: set[str], used: Collection[str]) -> None:
        """Remove the images that the current ones replace, and the layers that nothing leads to any more."""
        kept = {*current, _BASE, _TOOLS}
        repositories = {reference.rpartition(":")[0] for reference in kept}
        listed = json.loads(run_quiet([*self._buildah, "images", "--json"], env=self._env))
        names = {name for image in listed for name in image["names"] or []}
        old = sorted(name for name in names - kept if name.rpartition(":")[0] in repositories)
        if old:
            run_quiet([*self._buildah, "rmi", *old], env=self._env)
        run_quiet([*self._buildah, "rmi", "--prune"], env=self._env)
        if self._registry == REGISTRY:
            registry.prune(current, used, self._paths)

    def _run(self, what: str, arguments: list[str]) -> None:
        log = self._paths.logs / f"{what.replace(' ', '-')}.log"
        run_logged(what, [*self._buildah, *arguments], log, env=self._env)

    def _tls(self) -> list[str]:
        host = self._registry.partition(":")[0].partition("/")[0]
        return ["--tls-verify=false"] if host in ("localhost", "127.0.0.1") else []
