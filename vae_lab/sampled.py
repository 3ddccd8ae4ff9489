"""Samplers fitted to a trained model's codes: kept in its run folder, scored beside its prior under names of their own.

``<run>/samplers/<name>.pt`` holds what was fitted and what it stands on: settings, hash of the weights, seed, codes.
"""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
import yaml
from torch import Tensor

from vae_lab.errors import UserError, did_you_mean
from vae_lab.evaluation import Evaluation, Scoring, decoded_codes
from vae_lab.files import write_atomically
from vae_lab.help import options
from vae_lab.make import make, make_all
from vae_lab.types import Extractor, Sampler, Scores

Node = dict[str, Any]
_PARTS = ("values", "intervals", "meanings", "protocol", "arrays", "tables")


class Sampled(Scoring):
    """Images decoded from a sampler's codes, as scores and figures of images are called with them.

    Scores have their plain names in here; :meth:`hand_over` puts the sampler's behind them.

    Args:
        evaluation: of the model, with the scores that there are already.
        sampler: fitted.
        about: what its file says of the fit.
        name: of the sampler.
    """

    learnt_from = "train"

    def __init__(self, evaluation: Evaluation, sampler: Sampler, about: Node, name: str) -> None:
        title = f"{evaluation.title}, sampler={name}"
        super().__init__(evaluation.data, evaluation.seed, evaluation.device, title, evaluation.progress)
        self.evaluation, self.fitted, self.about, self.name = evaluation, sampler, about, name
        self.sampler, self.known = source_of(sampler) + evaluation.drawn, evaluation.scores
        if evaluation.scores.protocol.get("samplers", {}).get(name) == about:
            self.scores = _own(evaluation.scores, name)
        else:  # what was scored under this name was of another fit
            _remove(evaluation.scores, name)

    @property
    def classifier(self) -> Extractor | None:  # type: ignore[override]
        """That of the evaluation, which may have it already."""
        return self.evaluation.classifier

    @property
    def extractor(self) -> Extractor | None:  # type: ignore[override]
        """That of the evaluation, which may have it already."""
        return self.evaluation.extractor

    def sample(self, n: int, purpose: str = "samples", size: int = 1000) -> Iterator[Tensor]:
        """n decoded means of the sampler's draws; the first n are the same whatever n is."""
        model, conditions = self.evaluation.model, self.evaluation.conditions
        yield from decoded_codes(model, self.fitted, n, self.device, self.seed, purpose, size, conditions)

    def _real(self, network: Extractor, source: str, n: int) -> tuple[Tensor, Tensor]:
        return self.evaluation._by(network, source, n)

    def hand_over(self) -> Scores:
        """The evaluation's scores with those of the sampler: ``test/fid_gmm``, ``test/fid_gmm_floor``."""
        scores = self.evaluation.scores
        for part in _PARTS:
            getattr(scores, part).update({_full(k, self.name): v for k, v in getattr(self.scores, part).items()})
        scores.protocol["samplers"] = {**scores.protocol.get("samplers", {}), self.name: self.about}
        scores.notes.extend(note for note in self.scores.notes if note not in scores.notes)
        return scores


def of_images(nodes: Node) -> dict[str, Any]:
    """The metrics or figures of a config that concern generated images, made."""
    return {name: part for name, part in make_all(nodes).items() if getattr(part, "of_images", False)}


def source_of(sampler: Sampler) -> str:
    """Where images come from, for protocols and titles."""
    return f"decoder means of draws from {sampler.label}"


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
        UserError: there is no such sampler; or settings other than the YAML's were asked for, and others fitted.
    """
    if name not in options("sampler"):
        known = options("sampler")
        raise UserError(f"sampler={name}: no such option{did_you_mean(name, known)}; options: {', '.join(known)}")
    usual = yaml.safe_load(options("sampler")[name].read_text(encoding="utf-8"))
    node = node or usual
    saved, about = _read(_place(run_dir, name)), _stands_on(evaluation, node)
    if not saved or saved["about"]["weights_sha256"] != about["weights_sha256"]:
        return _fit(evaluation, about, name, run_dir)
    if node not in (usual, saved["about"]["settings"]):
        raise UserError(
            f"sampler={name}: {_place(run_dir, name)} was fitted under other settings; leave sampler.… out, or fit "
            f"anew: vae-lab evaluate run={run_dir} sampler={name} …"
        )
    return _loaded(saved, _place(run_dir, name)), saved["about"]


def _fit(evaluation: Evaluation, about: Node, name: str, run_dir: Path) -> tuple[Sampler, Node]:
    sampler, codes = make(about["settings"]), evaluation.code_draws()
    if not codes.isfinite().all():
        raise UserError(f"sampler={name}: some codes of training images are NaN or infinite")
    started = time.perf_counter()
    with torch.enable_grad(), torch.inference_mode(False):
        sampler.fit(codes, evaluation.noise(f"sampler {name}", "cpu"), evaluation.progress)
    kind = "one draw of q(z|x)" if evaluation.objective.variational else "the code"
    about = {
        **about,
        "sampler": sampler.label,
        "codes": f"{kind} of each of {len(codes):,} training images",
        "seconds": round(time.perf_counter() - started, 2),
        **sampler.about,
    }
    path = _place(run_dir, name)
    path.parent.mkdir(exist_ok=True)
    with write_atomically(path, "wb") as file:
        torch.save({"about": about, "state": sampler.state_dict()}, file)
    return sampler.eval(), about


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


def _full(key: str, name: str) -> str:
    """``fid_floor`` to ``fid_gmm_floor``."""
    bare = key.removesuffix("_floor")
    return f"{bare}_{name}{key.removeprefix(bare)}"


def _bare(key: str, name: str) -> str | None:
    """``fid_gmm_floor`` to ``fid_floor``; None where it is not of this sampler."""
    head = key.removesuffix("_floor")
    return head.removesuffix(f"_{name}") + key.removeprefix(head) if head.endswith(f"_{name}") else None


def _own(scores: Scores, name: str) -> Scores:
    """Those of one sampler, under their plain names."""
    found: Any = {part: {} for part in _PARTS}
    for part in _PARTS:
        for key, value in getattr(scores, part).items():
            bare = _bare(key, name)
            if bare:
                found[part][bare] = value
    return Scores(**found)


def _remove(scores: Scores, name: str) -> None:
    for part in _PARTS:
        for key in [key for key in getattr(scores, part) if _bare(key, name)]:
            del getattr(scores, part)[key]
