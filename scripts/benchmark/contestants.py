"""Who takes part: each is a worker program, an interpreter that can run it, and perhaps words of vae-lab's own."""

import sys
from dataclasses import dataclass
from pathlib import Path

from environments import BOLTS, DISENT, PYTHAE, Package, python_of

from vae_lab.config.schema import TrainConfig

WORKERS = Path(__file__).parent / "workers"


@dataclass(frozen=True)
class Contestant:
    """One way to train the same networks."""

    name: str
    worker: str  # a file in workers/
    about: str
    words: tuple[str, ...] = ()  # for vae-lab
    package: Package | None = None  # with an environment of its own

    def python(self) -> tuple[Path | None, str]:
        """The interpreter to run it with; else None and why it cannot take part."""
        if self.package is not None:
            return python_of(self.package)
        unknown = sorted({word.partition("=")[0] for word in self.words} - set(TrainConfig.model_fields))
        if unknown:
            return None, f"vae-lab train has no {' and no '.join(unknown)} in this version"
        return Path(sys.executable), ""


HAND = Contestant("hand loop", "hand_loop", "PyTorch by hand: bytes in memory, batches by index, fused Adam")
VAE_LAB = Contestant("vae-lab", "vae_lab_train", "vae-lab train, with W&B (offline), curves, checkpoints, progress")
CONTESTANTS = (
    HAND,
    VAE_LAB,
    Contestant(
        "vae-lab, bf16, compiled",
        "vae_lab_train",
        "the same with precision=bf16 compile=true",
        ("precision=bf16", "compile=true"),
    ),
    Contestant(
        "Lightning script",
        "lightning_script",
        "torchvision, ToTensor, DataLoader (2 workers), automatic optimization, self.log in every step, Adam",
    ),
    Contestant("pythae", "pythae_trainer", "pythae's TrainingPipeline, images as floats in memory", (), PYTHAE),
    Contestant("disent", "disent_framework", "disent's Vae, DisentDataset, DataLoader (2 workers)", (), DISENT),
    Contestant("lightning-bolts", "bolts_module", "its VAE module, otherwise as the Lightning script", (), BOLTS),
)


def able(contestants: list[Contestant]) -> tuple[dict[Contestant, Path], dict[str, str]]:
    """Those that can take part with their interpreters, and why the others cannot."""
    found = {each: each.python() for each in contestants}
    ready = {each: python for each, (python, _) in found.items() if python is not None}
    return ready, {each.name: why for each, (_, why) in found.items() if why}
