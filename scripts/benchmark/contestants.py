"""The contestants: each has a worker program and a Python interpreter that can run it."""

import sys
from dataclasses import dataclass
from pathlib import Path

from environments import BOLTS, DISENT, PYTHAE, Package, python_of

from vae_lab.config.settings import TrainConfig

WORKERS = Path(__file__).parent / "workers"


@dataclass(frozen=True)
class Contestant:
    """One way to train the networks of the benchmark."""

    name: str
    worker: str  # a file in workers/
    about: str
    words: tuple[str, ...] = ()  # further words of the command vae-lab train
    package: Package | None = None  # a competitor, which is installed into a separate environment

    def python(self) -> tuple[Path | None, str]:
        """Return the interpreter to run it with and an empty string, or None and the reason why it cannot run."""
        if self.package is not None:
            return python_of(self.package)
        unknown = sorted({word.partition("=")[0] for word in self.words} - set(TrainConfig.model_fields))
        if unknown:
            return None, f"vae-lab train has no {' and no '.join(unknown)} in this version"
        return Path(sys.executable), ""


HAND = Contestant(
    "hand loop",
    "hand_loop",
    "a loop in plain PyTorch: images as bytes in memory, batches by index, fused Adam",
)
VAE_LAB = Contestant(
    "vae-lab", "vae_lab_train", "`vae-lab train` with W&B (offline), curves, checkpoints and a progress line"
)
CONTESTANTS = (
    HAND,
    VAE_LAB,
    Contestant(
        "vae-lab, bf16, compiled",
        "vae_lab_train",
        "the same with `precision=bf16 compile=true`",
        ("precision=bf16", "compile=true"),
    ),
    Contestant(
        "Lightning script",
        "lightning_script",
        "a typical Lightning script: torchvision dataset, ToTensor, DataLoader (2 workers), automatic optimization, "
        "self.log in every step, Adam",
    ),
    Contestant(
        "pythae", "pythae_trainer", "the TrainingPipeline of pythae, with images as floats in memory", (), PYTHAE
    ),
    Contestant(
        "disent", "disent_framework", "the Vae and DisentDataset of disent, with a DataLoader (2 workers)", (), DISENT
    ),
    Contestant(
        "lightning-bolts",
        "bolts_module",
        "the VAE module of lightning-bolts, otherwise as the Lightning script",
        (),
        BOLTS,
    ),
)


def check_contestants(contestants: list[Contestant]) -> tuple[dict[Contestant, Path], dict[str, str]]:
    """Return the contestants that can run with their interpreters, and for the others the reasons why they cannot."""
    found = {each: each.python() for each in contestants}
    ready = {each: python for each, (python, _) in found.items() if python is not None}
    return ready, {each.name: why for each, (_, why) in found.items() if why}
