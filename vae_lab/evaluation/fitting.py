"""Fits samplers to a trained model's codes, and keeps them in its run folder.

``<run>/samplers/<name>.pt`` holds what was fitted and what it stands on: settings, hash of the weights, seed, codes.
"""

import hashlib
import time
from pathlib import Path
from textwrap import shorten

import torch
import yaml
from torch import Tensor

from vae_lab.config.help import options
from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.errors import UserError, did_you_mean
from vae_lab.evaluation.trained import Evaluation
from vae_lab.system.files import write_atomically
from vae_lab.types import Sampler


def name_of(config: Node) -> str | None:
    """Of the sampler that a config chose; None where it is the model's prior."""
    if not config.get("sampler"):
        return None
    return str(config.get("choices", {}).get("sampler") or config["sampler"]["_target_"].split(".")[-2])


def fitted(evaluation: Evaluation, node: Node, name: str, run_dir: Path) -> tuple[Sampler, Node]:
    """A sampler of these settings with what is told of its fit: from the run folder, or fitted now and saved there.

    Raises:
        UserError: the saved file is damaged, or the codes cannot be fitted.
    """
    saved, about = _read(_place(run_dir, name)), _stands_on(evaluation, node)
    if saved and about.items() <= saved["about"].items():
        return _loaded(saved, _place(run_dir, name)), saved["about"]
    return _fit(evaluation, about, name, run_dir)


def at_hand(evaluation: Evaluation, name: str, run_dir: Path, node: Node | None = None) -> tuple[Sampler, Node]:
    """The sampler of that name that was fitted before, whatever its settings; where there is none, fitted now.

    Raises:
        UserError: there is no such sampler; or settings (``node``) were asked for, and others fitted.
    """
    if name not in options("sampler"):
        known = options("sampler")
        raise UserError(f"sampler={name}: no such option{did_you_mean(name, known)}; options: {', '.join(known)}")
    usual = yaml.safe_load(options("sampler")[name].read_text(encoding="utf-8"))
    saved, about = _read(_place(run_dir, name)), _stands_on(evaluation, node or usual)
    if not saved or saved["about"]["weights_sha256"] != about["weights_sha256"]:
        return _fit(evaluation, about, name, run_dir)
    if node not in (None, saved["about"]["settings"]):
        raise UserError(
            f"sampler={name}: {_place(run_dir, name)} was fitted under other settings; leave sampler.… out, or fit "
            f"anew: vae-lab evaluate run={run_dir} sampler={name} …"
        )
    return _loaded(saved, _place(run_dir, name)), saved["about"]


_APART = "drawn apart from the codes, which is right as far as q(z) is the same for every y"


def _fit(evaluation: Evaluation, about: Node, name: str, run_dir: Path) -> tuple[Sampler, Node]:
    sampler = make(about["settings"])
    codes = _codes_for(sampler, evaluation, name)
    started = time.perf_counter()
    with torch.enable_grad(), torch.inference_mode(False):
        sampler.fit(codes, evaluation.noise(f"sampler {name}", "cpu"), evaluation.progress)
    kind = "one draw of q(z|x)" if evaluation.objective.variational else "the code"
    about = {
        **about,
        "sampler": sampler.label,
        "codes": f"{kind} of each of {len(codes):,} training {evaluation.data.values.kind}",
        **({"labels": _APART} if evaluation.model.conditional else {}),
        "seconds": round(time.perf_counter() - started, 2),
        **sampler.about,
    }
    path = _place(run_dir, name)
    path.parent.mkdir(exist_ok=True)
    for picture in (run_dir / "figures").glob(f"*_{name}.png"):
        picture.unlink()  # of an earlier fit
    with write_atomically(path, "wb") as file:
        torch.save({"about": about, "state": sampler.state_dict()}, file)
    return sampler.eval(), about


def _codes_for(sampler: Sampler, evaluation: Evaluation, name: str) -> Tensor:
    """The codes of training examples in the form that the sampler takes: long as they are, real ones as vectors [N, D].

    Raises:
        UserError: the sampler is for codes of the other kind, or some codes are not finite.
    """
    codes = evaluation.code_draws()
    kind = "real" if codes.is_floating_point() else "discrete"
    if kind not in sampler.takes:
        raise UserError(
            f"sampler={name} is fitted to {' or '.join(sampler.takes)} codes, and those of this model are {kind}; "
            "type sampler=aggregate"
        )
    if not codes.isfinite().all():
        raise UserError(f"sampler={name}: some codes of training {evaluation.data.values.kind} are NaN or infinite")
    return codes.flatten(1) if kind == "real" else codes


def _stands_on(evaluation: Evaluation, node: Node) -> Node:
    """What decides whether a fit can be used again."""
    digest = hashlib.sha256()
    for key, value in evaluation.model.state_dict().items():
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return {"settings": node, "weights_sha256": digest.hexdigest(), "seed": evaluation.seed}


def _place(run_dir: Path, name: str) -> Path:
    return run_dir / "samplers" / f"{name.replace('/', '-')}.pt"


def _read(path: Path) -> Node | None:
    if not path.exists():
        return None
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        return {"about": dict(saved["about"]), "state": dict(saved["state"])}
    except Exception as why:  # a damaged archive makes torch raise a dozen kinds
        raise _damaged(path, why) from why


def _loaded(saved: Node, path: Path) -> Sampler:
    try:
        sampler = make(saved["about"]["settings"])
        sampler.load_state_dict(saved["state"])
        return sampler.eval()
    except (RuntimeError, KeyError, TypeError) as why:
        raise _damaged(path, why) from why


def _damaged(path: Path, why: Exception) -> UserError:
    reason = shorten(str(why), 100, placeholder="…")
    return UserError(
        f"{path} is truncated, corrupt or of another version ({reason}); remove it to fit the sampler anew"
    )
