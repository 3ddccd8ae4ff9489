"""What is measured: a network, images of one shape, a batch size, and how many steps."""

from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from typing import Any


@dataclass(frozen=True)
class Case:
    """The same for every contestant.

    >>> Case("cnn", 28, 1, 128, images=6400, epochs=4).name
    'cnn-28-128'
    """

    model: str  # an option of conf/model: its network and its numbers
    side: int  # height and width in pixels
    channels: int
    batch: int
    images: int  # per epoch
    epochs: int  # the first of which only warms up
    latent_dim: int = 16
    lr: float = 1e-3
    data: str = ""  # the folder that the images lie in
    words: tuple[str, ...] = ()  # more of vae-lab's own, where a measurement varies something

    @property
    def name(self) -> str:
        """As in ``--only``."""
        return f"{self.model}-{self.side}-{self.batch}"

    @property
    def x_shape(self) -> tuple[int, int, int]:
        """C, H, W."""
        return self.channels, self.side, self.side

    @property
    def text(self) -> str:
        """For tables."""
        return f"{self.model}, {self.side}×{self.side}×{self.channels}, batch {self.batch}"

    def as_json(self) -> dict[str, Any]:
        """What a worker is told, and what results.json holds."""
        return {**asdict(self), "words": list(self.words)}

    @classmethod
    def of_json(cls, node: dict[str, Any]) -> "Case":
        """The other way."""
        return cls(**{**node, "words": tuple(node["words"])})


# Examples per epoch on a CPU: one or two seconds of two cores, and full batches alone.
_ON_CPU = {("dense", 28): 25_600, ("cnn", 28): 6144, ("dense", 64): 6144, ("cnn", 64): 2048}
_ON_GPU = {28: 51_200, 64: 8192}


def cases(device: str, only: list[str], quick: bool) -> list[Case]:
    """Those of the issue, or those whose name is of one of the forms in ``only``.

    Raises:
        SystemExit: no case is of that form.
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
    chosen = [case for case in every if any(fnmatch(case.name, form) for form in wanted)]
    if not chosen:
        raise SystemExit(f"--only {' '.join(only)}: no such case; there are {', '.join(case.name for case in every)}")
    return chosen
