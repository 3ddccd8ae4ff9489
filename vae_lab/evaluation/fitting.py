"""Fits samplers to a trained model's codes and saves them in its run folder.

``<run>/samplers/<name>.pt`` holds the fitted numbers and what they depend on: settings, hash of the weights, seed and
codes. ``prior.pt`` is the prior over the codes of a discrete model, which the config of the run chooses and which takes
the place of the model's uniform prior. ``<name>.unfinished.pt`` is the state of a fit that has not ended.
"""

import hashlib
from pathlib import Path
from textwrap import shorten
from typing import Any, cast

import torch
import yaml
from pydantic import BaseModel
from torch import Tensor

from vae_lab.config.help import options
from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.config.trust import Untrusted
from vae_lab.errors import UserError, did_you_mean
from vae_lab.evaluation.code_source import EncodedCodes, code_sizes
from vae_lab.evaluation.draws import is_code_prior
from vae_lab.evaluation.kept_fit import KeptFit
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import Data
from vae_lab.report.following import clock
from vae_lab.samplers.autoregressive import Autoregressive
from vae_lab.samplers.prior_budget import estimated_seconds
from vae_lab.system.files import write_torch
from vae_lab.system.reading import Damaged, refuse_unreadable
from vae_lab.types import CodePrior, Model, Normal, Sampler

Fit = Sampler | CodePrior


def sampler_name(config: Node) -> str | None:
    """Return the name of the sampler that a config selects; None if it is the model's prior."""
    if not config.get("sampler"):
        return None
    return str(config.get("choices", {}).get("sampler") or config["sampler"]["_target_"].split(".")[-2])


OWN = "prior"  # the name of the prior over codes that a run's config chooses


def fitted(evaluation: Evaluation, node: Node, name: str, run_dir: Path) -> tuple[Fit, Node]:
    """Return a sampler with the settings ``node``, and the record of its fit for protocols.

    It is loaded from the run folder if it was fitted there; otherwise it is fitted now and saved.

    Raises:
        UserError: the saved file is damaged, or the sampler cannot be fitted to the codes.
    """
    about = _depends_on(evaluation, node)
    for path in _paths(run_dir, name):
        saved = _read(path)
        if saved and about.items() <= saved["about"].items():
            return _loaded(saved, path, evaluation.device), saved["about"]
    return _fit(evaluation, about, name, run_dir)


def put_own_prior(evaluation: Evaluation, config: Node, run_dir: Path, fit: bool = True) -> None:
    """Put the prior over codes that a run's config chooses in the place of the model's uniform prior.

    It is fitted first if it has not been. Nothing is done where the config chooses another sampler, or none.

    Args:
        evaluation: the evaluation of the run.
        config: the config of the run.
        run_dir: its folder.
        fit: whether a prior that is not there is fitted; if not, the model keeps its uniform prior.

    Raises:
        UserError: the saved file is damaged.
    """
    node = config.get("sampler")
    if not node or not is_code_prior(make(node)):
        return
    if fit or _path(run_dir, OWN).exists():
        prior, about = fitted(evaluation, node, OWN, run_dir)
        evaluation.prior = cast(CodePrior, prior)
        evaluation.scores.protocol[OWN] = evaluation.fresh.protocol[OWN] = about


def budget_of_prior(config: Node, model: Model, data: Data, device: torch.device, epochs: int) -> str:
    """Return what will be fitted to a model's codes after training, and how long it takes; else an empty text.

    Args:
        config: the config of a run.
        model: its model, which need not be trained.
        data: its dataset.
        device: where the prior will be fitted.
        epochs: number of epochs that the model is trained for.
    """
    prior = make(config["sampler"]) if config.get("sampler") else None
    if not isinstance(prior, Autoregressive):
        return ""
    source = EncodedCodes(model, data, epochs, seed=0)
    source.device = device
    seconds = clock(estimated_seconds(prior, source))
    return (
        f"Then sampler={sampler_name(config)} is fitted to the codes: at most {prior.training_loop.budget(source)}, "
        f"about {seconds} on this device"
    )


def at_hand(evaluation: Evaluation, name: str, run_dir: Path, node: Node | None = None) -> tuple[Fit, Node]:
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
    about = _depends_on(evaluation, node or default)
    for path in _paths(run_dir, name):
        saved = _read(path)
        if not saved or not _is_of(saved["about"], about):
            continue
        if node in (None, saved["about"]["settings"]):
            return _loaded(saved, path, evaluation.device), saved["about"]
        raise UserError(
            f"sampler={name}: {path} was fitted under other settings; leave out sampler.…, or fit it again: vae-lab "
            f"evaluate run={run_dir} sampler={name} …"
        )
    return _fit(evaluation, about, name, run_dir)


def earlier_fit(evaluation: Evaluation, name: str, run_dir: Path) -> tuple[Fit, Node] | None:
    """Return the sampler of this name that was fitted to the current weights, and the record of its fit.

    Returns:
        None if there is none; it is not fitted now.

    Raises:
        UserError: the saved file is damaged.
    """
    saved = _read(_path(run_dir, name))
    if not saved or saved["about"]["weights_sha256"] != _depends_on(evaluation, {})["weights_sha256"]:
        return None
    return _loaded(saved, _path(run_dir, name), evaluation.device), saved["about"]


_INDEPENDENT = "drawn apart from the codes, which is right as far as q(z) is the same for every y"


def _fit(evaluation: Evaluation, about: Node, name: str, run_dir: Path) -> tuple[Fit, Node]:
    sampler: Fit = make(about["settings"])
    refuse_other_codes(sampler, evaluation.model, name)
    path = _path(run_dir, name)
    path.parent.mkdir(exist_ok=True)
    kept = KeptFit(path.with_suffix(".unfinished.pt"), about)
    with torch.enable_grad(), torch.inference_mode(False):
        if is_code_prior(sampler):
            described = _fit_prior(sampler, evaluation, name, kept)
        else:
            described = _fit_sampler(cast(Sampler, sampler), evaluation, name)
    about = {**about, "sampler": sampler.label, **described, "seconds": round(kept.seconds, 2), **sampler.about}
    for figure in (run_dir / "figures").glob(f"*_{name}.*"):
        figure.unlink()  # It shows samples of an earlier fit.
    write_torch(path, {"about": about, "state": {key: value.cpu() for key, value in sampler.state_dict().items()}})
    kept.remove()
    return sampler.eval(), about


def _fit_sampler(sampler: Sampler, evaluation: Evaluation, name: str) -> Node:
    """Fit a sampler of codes, and describe these codes."""
    codes, more = _codes_for(sampler, evaluation, name), _gaussians_for(sampler, evaluation, name)
    sampler.fit(codes, evaluation.noise(f"sampler {name}", "cpu"), evaluation.progress, *more)
    kind = "one draw of q(z|x)" if evaluation.objective.variational else "the code"
    kind = "draws of q(z|x), new ones in each step," if more else kind
    return {
        "codes": f"{kind} of each of {len(codes):,} training {evaluation.data.values.many}",
        **({"labels": _INDEPENDENT} if evaluation.model.conditional else {}),
    }


def _fit_prior(prior: CodePrior, evaluation: Evaluation, name: str, kept: KeptFit) -> Node:
    """Fit a prior over codes, or continue its fit, and describe these codes."""
    source = EncodedCodes(evaluation.model, evaluation.data, len(evaluation.history), evaluation.seed)
    prior.fit(source, evaluation.noise(f"sampler {name}", "cpu"), evaluation.progress, kept)
    many = evaluation.data.values.many
    return {"codes": f"the codes of {source.examples:,} training {many}, which are encoded anew in each epoch"}


def refuse_other_codes(sampler: Fit, model: Model, name: str) -> None:
    """Refuse a sampler that is for codes of another kind than those of a model.

    Raises:
        UserError: the sampler is for real codes and those of the model are discrete, or the other way round.
    """
    discrete = bool(code_sizes(model))
    kind, instead = ("discrete", "code_transformer") if discrete else ("real", "gmm")
    if kind not in sampler.takes:
        raise UserError(
            f"sampler={name} is fitted to {' or '.join(sampler.takes)} codes, and those of this model are {kind}; "
            f"type sampler={instead}"
        )
    if discrete and len(model.latent_shapes) > 1 and not is_code_prior(sampler):
        raise UserError(
            f"sampler={name} draws the codes of the top level alone, and the prior of the levels below is uniform; "
            "type sampler=code_transformer"
        )


def _codes_for(sampler: Sampler, evaluation: Evaluation, name: str) -> Tensor:
    """The codes of training examples: discrete ones in their own shape, real ones flattened to vectors [N, D].

    Raises:
        UserError: some codes are not finite.
    """
    codes = evaluation.code_draws()
    if not codes.isfinite().all():
        raise UserError(f"sampler={name}: some codes of training {evaluation.data.values.many} are NaN or infinite")
    return codes.flatten(1) if codes.is_floating_point() else codes


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


def _paths(run_dir: Path, name: str) -> list[Path]:
    """The files that may hold a sampler of this name: its own one and, for a prior over codes, that of the run."""
    return list(dict.fromkeys([_path(run_dir, name), _path(run_dir, OWN)]))


def _is_of(saved: Node, about: Node) -> bool:
    """Whether a saved fit is of the same class of samplers, and of the same weights."""
    same = saved["settings"].get("_target_") == about["settings"].get("_target_")
    return bool(same and saved["weights_sha256"] == about["weights_sha256"])


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


def _loaded(saved: Node, path: Path, device: torch.device) -> Fit:
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
