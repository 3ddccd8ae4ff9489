"""Fits samplers to a trained model's codes and saves them in its run folder.

``<run>/samplers/<name>.pt`` holds the fitted numbers and what they depend on: settings, hash of the weights, seed and
codes.
"""

import hashlib
import time
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
import yaml
from pydantic import BaseModel
from torch import Tensor

from vae_lab.config.help import options
from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.trust import Untrusted
from vae_lab.errors import UserError, did_you_mean
from vae_lab.evaluation.trained import Evaluation
from vae_lab.system.files import write_torch
from vae_lab.system.reading import Damaged, refuse_unreadable
from vae_lab.types import Normal, Sampler


def sampler_name(config: Node) -> str | None:
    """Return the name of the sampler that a config selects; None if it is the model's prior."""
    if not config.get("sampler"):
        return None
    return str(config.get("choices", {}).get("sampler") or config["sampler"]["_target_"].split(".")[-2])


def fitted(evaluation: Evaluation, node: Node, name: str, run_dir: Path) -> tuple[Sampler, Node]:
    """Return a sampler with the settings ``node``, and the record of its fit for protocols.

    It is loaded from the run folder if it was fitted there; otherwise it is fitted now and saved.

    Raises:
        UserError: the saved file is damaged, or the sampler cannot be fitted to the codes.
    """
    saved, about = _read(_path(run_dir, name)), _depends_on(evaluation, node)
    if saved and about.items() <= saved["about"].items():
        return _loaded(saved, _path(run_dir, name)), saved["about"]
    return _fit(evaluation, about, name, run_dir)


def at_hand(evaluation: Evaluation, name: str, run_dir: Path, node: Node | None = None) -> tuple[Sampler, Node]:
    """Return the sampler of this name that was fitted before, whatever its settings, and the record of its fit.

    If none was fitted to the current weights, one is fitted now with the settings ``node``, by default those of the
    option ``name``.

    Raises:
        UserError: there is no sampler of this name, or ``node`` differs from the settings of the saved one.
    """
    if name not in options("sampler"):
        known = options("sampler")
        raise UserError(f"sampler={name}: no such option{did_you_mean(name, known)}; options: {', '.join(known)}")
    default = yaml.safe_load(options("sampler")[name].read_text(encoding="utf-8"))
    saved, about = _read(_path(run_dir, name)), _depends_on(evaluation, node or default)
    if not saved or saved["about"]["weights_sha256"] != about["weights_sha256"]:
        return _fit(evaluation, about, name, run_dir)
    if node not in (None, saved["about"]["settings"]):
        raise UserError(
            f"sampler={name}: {_path(run_dir, name)} was fitted under other settings; leave out sampler.…, or fit it "
            f"again: vae-lab evaluate run={run_dir} sampler={name} …"
        )
    return _loaded(saved, _path(run_dir, name)), saved["about"]


def earlier_fit(evaluation: Evaluation, name: str, run_dir: Path) -> tuple[Sampler, Node] | None:
    """Return the sampler of this name that was fitted to the current weights, and the record of its fit.

    Returns:
        None if there is none; it is not fitted now.

    Raises:
        UserError: the saved file is damaged.
    """
    saved = _read(_path(run_dir, name))
    if not saved or saved["about"]["weights_sha256"] != _depends_on(evaluation, {})["weights_sha256"]:
        return None
    return _loaded(saved, _path(run_dir, name)), saved["about"]


_INDEPENDENT = "drawn apart from the codes, which is right as far as q(z) is the same for every y"


def _fit(evaluation: Evaluation, about: Node, name: str, run_dir: Path) -> tuple[Sampler, Node]:
    sampler = make(about["settings"])
    codes, more = _codes_for(sampler, evaluation, name), _gaussians_for(sampler, evaluation, name)
    started = time.perf_counter()
    with torch.enable_grad(), torch.inference_mode(False):
        sampler.fit(codes, evaluation.noise(f"sampler {name}", "cpu"), evaluation.progress, *more)
    kind = "one draw of q(z|x)" if evaluation.objective.variational else "the code"
    kind = "draws of q(z|x), new ones in each step," if more else kind
    about = {
        **about,
        "sampler": sampler.label,
        "codes": f"{kind} of each of {len(codes):,} training {evaluation.data.values.many}",
        **({"labels": _INDEPENDENT} if evaluation.model.conditional else {}),
        "seconds": round(time.perf_counter() - started, 2),
        **sampler.about,
    }
    path = _path(run_dir, name)
    path.parent.mkdir(exist_ok=True)
    for figure in (run_dir / "figures").glob(f"*_{name}.*"):
        figure.unlink()  # It shows samples of an earlier fit.
    write_torch(path, {"about": about, "state": sampler.state_dict()})
    return sampler.eval(), about


def _codes_for(sampler: Sampler, evaluation: Evaluation, name: str) -> Tensor:
    """The codes of training examples: discrete ones in their own shape, real ones flattened to vectors [N, D].

    Raises:
        UserError: the sampler does not take codes of this kind, or some codes are not finite.
    """
    codes = evaluation.code_draws()
    kind = "real" if codes.is_floating_point() else "discrete"
    if kind not in sampler.takes:
        raise UserError(
            f"sampler={name} is fitted to {' or '.join(sampler.takes)} codes, and those of this model are {kind}; "
            "type sampler=aggregate"
        )
    if not codes.isfinite().all():
        raise UserError(f"sampler={name}: some codes of training {evaluation.data.values.many} are NaN or infinite")
    return codes.flatten(1) if kind == "real" else codes


def _gaussians_for(sampler: Sampler, evaluation: Evaluation, name: str) -> tuple[Normal, ...]:
    """The Gaussians q(z|x) of training examples, for a sampler with ``fresh_codes``; else nothing.

    Raises:
        UserError: the model has no Gaussian posterior to draw codes from.
    """
    if not getattr(sampler, "fresh_codes", False):
        return ()
    batch = next(evaluation.data.batches("train", 1))
    with torch.inference_mode():
        q = evaluation.model.infer(batch.x, batch.y, 1, evaluation.noise("trial")).q[0]
    if q is None or evaluation.model.deterministic or not evaluation.objective.variational:
        raise UserError(
            f"sampler={name}: sampler.fresh_codes=true draws codes from Gaussian posteriors, which this model does not "
            "have; type sampler.fresh_codes=false"
        )
    q, _ = evaluation.codes("train")
    return (Normal(q.mu.clone(), q.log_var.clone()),)  # leaves inference mode


def _depends_on(evaluation: Evaluation, node: Node) -> Node:
    """The settings, the weights and the seed of a fit; a saved fit with the same ones can be used again."""
    digest = hashlib.sha256()
    for key, value in evaluation.model.state_dict().items():
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return {"settings": node, "weights_sha256": digest.hexdigest(), "seed": evaluation.seed}


def _path(run_dir: Path, name: str) -> Path:
    return run_dir / "samplers" / f"{name.replace('/', '-')}.pt"


def _read(path: Path) -> Node | None:
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


def _loaded(saved: Node, path: Path) -> Sampler:
    try:
        sampler = make(saved["about"]["settings"])
        sampler.load_state_dict(saved["state"])
        return sampler.eval()
    except Untrusted as why:
        raise Untrusted(f"{path}: {why}") from why
    except Exception as why:  # the settings and the state are those of any file
        raise _damaged(path, why) from why


def _damaged(path: Path, why: Exception) -> Damaged:
    reason = shorten(str(why), 100, placeholder="…")
    return Damaged(
        path, f"is truncated, corrupt or of another version ({reason})", "remove it to fit the sampler again"
    )
