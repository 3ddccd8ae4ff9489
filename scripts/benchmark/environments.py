"""A separate virtual environment for each competitor, in the cache; it shares torch and other packages with vae-lab."""

import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from vae_lab.data.cache import cache_dir

MINUTES = 5


@dataclass(frozen=True)
class Package:
    """A competitor: the packages to install, and an import that shows that the installation works."""

    name: str
    requirements: tuple[str, ...]
    trial: str


PYTHAE = Package("pythae", ("pythae==0.1.2",), "from pythae.pipelines import TrainingPipeline")
DISENT = Package("disent", ("disent==0.8.0", "lightning>=2.6.6"), "from disent.frameworks.vae import Vae")
BOLTS = Package(  # its last release needs pytorch-lightning 1, which needs pkg_resources
    "lightning-bolts", ("lightning-bolts==0.7.0", "setuptools<81"), "from pl_bolts.models.autoencoders import VAE"
)


def python_of(package: Package) -> tuple[Path | None, str]:
    """Return the interpreter of the package's environment, which is created if necessary, or None and the reason."""
    folder = cache_dir("benchmark") / "environments" / f"{package.name}-py{sys.version_info[0]}{sys.version_info[1]}"
    python, installed = folder / "bin" / "python", folder / "installed"
    if not installed.exists() or installed.read_text(encoding="utf-8").split() != list(package.requirements):
        venv.create(folder, with_pip=True, clear=True)
        _share_packages(folder)
        problem = _problem_of([python, "-m", "pip", "install", "--quiet", *package.requirements])
        if problem:
            return None, f"{', '.join(package.requirements)} could not be installed: {problem}"
        installed.write_text("\n".join(package.requirements), encoding="utf-8")
    problem = _problem_of([python, "-c", package.trial])
    return (None, f"{', '.join(package.requirements)} cannot be imported: {problem}") if problem else (python, "")


def _share_packages(folder: Path) -> None:
    """Make the packages of vae-lab's environment available after the competitor's own.

    All contestants then use the same torch, and gigabytes of packages are not installed twice.
    """
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (own / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")


def _problem_of(command: list[str | Path]) -> str:
    """Run a command; return the last line of its output if it failed, else an empty string."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 * MINUTES)
    except subprocess.TimeoutExpired:
        return f"not finished after {MINUTES} minutes"
    return last_line(done.stderr or f"exit status {done.returncode}") if done.returncode else ""


def last_line(text: str) -> str:
    """Return the last line of a program's output, which usually gives the reason of a failure."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it printed nothing"
