"""The cases of the benchmark: a network, an image shape, a batch size and a number of steps."""

from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from typing import Any


@dataclass(frozen=True)
class Case:
    """One training task, which is the same for every contestant.

    >>> Case("cnn", 28, 1, 128, images=6400, epochs=4).name
    'cnn-28-128'
    """

    model: str  # an option of conf/model, which gives the network and its hyperparameters
    side: int  # height and width in pixels
    channels: int
    batch: int
    images: int  # per epoch
    epochs: int  # the first one is a warm-up and does not count
    latent_dim: int = 16
    lr: float = 1e-3
    data: str = ""  # the folder that contains the images
    words: tuple[str, ...] = ()  # further words of the command vae-lab train, if a measurement varies a setting

    @property
    def name(self) -> str:
        """The name of the case for ``--only``."""
        return f"{self.model}-{self.side}-{self.batch}"

    @property
    def x_shape(self) -> tuple[int, int, int]:
        """The shape of an image: C, H, W."""
        return self.channels, self.side, self.side

    @property
    def text(self) -> str:
        """The description of the case in tables."""
        return f"{self.model}, {self.side}×{self.side}×{self.channels}, batch {self.batch}"

    def as_json(self) -> dict[str, Any]:
        """The case as JSON, for a worker and for results.json."""
        return {**asdict(self), "words": list(self.words)}

    @classmethod
    def of_json(cls, node: dict[str, Any]) -> "Case":
        """Return the case that :meth:`as_json` has written."""
        return cls(**{**node, "words": tuple(node["words"])})


# Images per epoch. On a CPU an epoch takes two cores one or two seconds. All batches are full.
_ON_CPU = {("dense", 28): 25_600, ("cnn", 28): 6144, ("dense", 64): 6144, ("cnn", 64): 2048}
_ON_GPU = {28: 51_200, 64: 8192}


def cases(device: str, only: list[str], quick: bool) -> list[Case]:
    """Return the cases whose names match one of the patterns in ``only``; without patterns, return all of them.

    Args:
        device: ``cpu`` or ``cuda``, which sets the number of images and epochs.
        only: patterns of names.
        quick: without patterns, return only the cases of 28×28 images with a batch size of 128.

    Raises:
        SystemExit: no case matches.
    """
    every = [
        Case(model, side, channels, batch, _ON_CPU[model, side], epochs=5)
        for side, channels in ((28, 1), (64, 3))
        for model in ("dense", "cnn")
        for batch in (128, 1024)
    ]
    if device == "cuda":
        every = [replace(case, images=_ON_GPU[case.side], epochs=6) for case in every]
    wanted = only or (["*-28-128"] if quick else ["*"])
    chosen = [case for case in every if any(fnmatch(case.name, pattern) for pattern in wanted)]
    if not chosen:
        raise SystemExit(f"--only {' '.join(only)}: no such case; choose from {', '.join(case.name for case in every)}")
    return chosen
