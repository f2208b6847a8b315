"""The distributions, and an environment that has nothing but the wheel and what it requires.

No network: the build backend and every dependency come from the environment of the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from dataclasses import dataclass
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement

from tests.helpers.places import ROOT

NOT_BUILT = shutil.ignore_patterns(".*", "var", "tests", "pictures", "__pycache__", "*.egg-info", "build", "dist")
BUILD = "import sys; from setuptools import build_meta as backend; backend.build_{}(sys.argv[1])"


@dataclass(frozen=True)
class Distributions:
    """The wheel, built from the sdist."""

    sdist: Path
    wheel: Path

    def names_in_wheel(self) -> set[str]:
        with ZipFile(self.wheel) as archive:
            return {name for name in archive.namelist() if ".dist-info/" not in name}

    def unpacked(self, directory: Path) -> Path:
        """The wheel's files in a directory, as an installer puts them."""
        with ZipFile(self.wheel) as archive:
            archive.extractall(directory)
        return directory


def build(directory: Path) -> Distributions:
    source = shutil.copytree(ROOT, directory / "source", ignore=NOT_BUILT)
    build_one("sdist", source, directory)
    (sdist,) = directory.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(directory / "unpacked", filter="data")
    (unpacked,) = (directory / "unpacked").iterdir()
    build_one("wheel", unpacked, directory)
    (wheel,) = directory.glob("*.whl")
    return Distributions(sdist, wheel)


def build_one(kind: str, source: Path, target: Path) -> None:
    command = [sys.executable, "-c", BUILD.format(kind), str(target)]
    ended = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@dataclass(frozen=True)
class Installation:
    """A bare environment with the wheel in it, and a home of its own."""

    place: Path

    @property
    def site_packages(self) -> Path:
        scheme = {"base": str(self.place / "env"), "platbase": str(self.place / "env")}
        return Path(sysconfig.get_path("purelib", "venv", scheme))

    @property
    def programs(self) -> Path:
        return self.place / "env" / "bin"

    def environment(self, **more: str) -> dict[str, str]:
        (self.place / "home").mkdir(exist_ok=True)
        path = os.pathsep.join([str(self.programs), os.defpath])
        return {"PATH": path, "HOME": str(self.place / "home"), "LANG": "C.UTF-8", **more}

    def run(self, *command: str, codes: tuple[int, ...] = (0,)) -> str:
        """What a program of the environment prints; it must end with one of these exit codes."""
        program = [str(self.programs / command[0]), *command[1:]]
        ended = subprocess.run(
            program, cwd=self.place, env=self.environment(), capture_output=True, text=True, check=False
        )
        assert ended.returncode in codes, f"{command}: exit {ended.returncode}\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def files(self) -> set[str]:
        """Everything that lies where packages are installed, but for compiled code."""
        every = self.site_packages.rglob("*")
        return {str(path) for path in every if "__pycache__" not in path.parts}


def install(wheel: Path, place: Path) -> Installation:
    installed = Installation(place)
    venv.create(place / "env", symlinks=True)
    command = [sys.executable, "-m", "pip", "--python", str(installed.programs / "python"), "install", "-q"]
    subprocess.run([*command, "--no-deps", "--no-index", str(wheel)], check=True)
    (of_the_wheel,) = installed.site_packages.glob("batchportal-*.dist-info")
    for dependency in dependencies(PathDistribution(of_the_wheel)).values():
        link(dependency, installed.site_packages)
    return installed


def dependencies(of: Distribution, extras: frozenset[str] = frozenset()) -> dict[str, Distribution]:
    """What it requires here, directly or through others, by name."""
    every: dict[str, Distribution] = {}
    pending = [(of, extras)]
    while pending:
        dependent, chosen = pending.pop()
        for requirement in map(Requirement, dependent.requires or []):
            if (
                any(requirement.marker.evaluate({"extra": extra}) for extra in chosen or {""})
                if requirement.marker
                else True
            ):
                name = f"{requirement.name}{sorted(requirement.extras)}"
                if name not in every:
                    every[name] = distribution(requirement.name)
                    pending.append((every[name], frozenset(requirement.extras) | {""}))
    return every


def link(dependency: Distribution, site_packages: Path) -> None:
    for name in {file.parts[0] for file in dependency.files or []} - {"..", "__pycache__"}:
        if not (site_packages / name).exists():
            (site_packages / name).symlink_to(Path(str(dependency.locate_file(name))).resolve())
