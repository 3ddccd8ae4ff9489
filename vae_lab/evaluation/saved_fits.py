"""The files of fitted samplers in a run folder.

``<run>/samplers/<name>.pt`` holds the fitted numbers and what they depend on: settings, hash of the weights, seed and
codes. ``prior.pt`` is the prior over the codes of a discrete model (:mod:`vae_lab.evaluation.own_prior`).
``<name>.unfinished.pt`` is the state of a fit that has not ended (:mod:`vae_lab.evaluation.kept_fit`).
"""

import hashlib
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from pydantic import BaseModel

from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.trust import Untrusted
from vae_lab.evaluation.draws import is_code_prior
from vae_lab.evaluation.trained import Evaluation
from vae_lab.system.reading import Damaged, refuse_unreadable
from vae_lab.types import CodePrior, Sampler

Fit = Sampler | CodePrior
OWN = "prior"  # the name of the prior over codes that a run's config chooses


def depends_on(evaluation: Evaluation, node: Node) -> Node:
    """The settings, the weights and the seed of a fit; a saved fit with the same ones can be used again."""
    digest = hashlib.sha256()
    for key, value in evaluation.model.state_dict().items():
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return {"settings": node, "weights_sha256": digest.hexdigest(), "seed": evaluation.seed}


def path_of(run_dir: Path, name: str) -> Path:
    """The file of a sampler."""
    return run_dir / "samplers" / f"{name.replace('/', '-')}.pt"


def paths_of(run_dir: Path, name: str) -> list[Path]:
    """The files that may hold a sampler of this name: its own one and, for a prior over codes, that of the run."""
    return list(dict.fromkeys([path_of(run_dir, name), path_of(run_dir, OWN)]))


def is_of(saved: Node, about: Node, path: Path) -> bool:
    """Whether a saved fit is of the same weights and, if its file is the run's prior, of the same class of samplers."""
    other = path.stem == OWN and saved["settings"].get("_target_") != about["settings"].get("_target_")
    return not other and bool(saved["weights_sha256"] == about["weights_sha256"])


def read_fit(path: Path) -> Node | None:
    """The content of a sampler's file; None if there is none, so that the sampler has to be fitted.

    Raises:
        Damaged: the file is cut, or does not hold a sampler.
    """
    if not path.exists() and not path.is_symlink():
        return None
    refuse_unreadable(path)
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        about, state = dict(saved["about"]), dict(saved["state"])
        _Fit.model_validate(about, strict=True)
        return {"about": about, "state": state}
    except Exception as why:  # For damaged archives, torch raises many kinds of exception.
        raise _damaged(path, why) from why


class _Fit(BaseModel):
    """The entries of the record of a fit that are read again."""

    settings: dict[str, Any]
    weights_sha256: str
    seed: int
    sampler: str
    codes: str
    seconds: float


def loaded(saved: Node, path: Path, device: torch.device) -> Fit:
    """A sampler with the content of its file, in evaluation mode; a prior over codes is put on ``device``.

    Raises:
        Untrusted: the file names a class that is not trusted.
        Damaged: the settings or the numbers are not those of a sampler.
    """
    try:
        sampler: Fit = make(saved["about"]["settings"])
        sampler.load_state_dict(saved["state"])
        return sampler.to(device).eval() if is_code_prior(sampler) else sampler.eval()
    except Untrusted as why:
        raise Untrusted(f"{path}: {why}") from why
    except Exception as why:  # the settings and the state are those of any file
        raise _damaged(path, why) from why


def _damaged(path: Path, why: Exception) -> Damaged:
    reason = shorten(str(why), 100, placeholder="…")
    return Damaged(
        path, f"is truncated, corrupt or of another version ({reason})", "remove it to fit the sampler again"
    )
