"""Fits samplers to a trained model's codes and saves them in its run folder (:mod:`vae_lab.evaluation.saved_fits`)."""

from pathlib import Path
from typing import cast

import torch
import yaml
from torch import Tensor

from vae_lab.config.help import options
from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.errors import UserError, did_you_mean
from vae_lab.evaluation.code_source import EncodedCodes
from vae_lab.evaluation.draws import is_code_prior
from vae_lab.evaluation.kept_fit import KeptFit
from vae_lab.evaluation.saved_fits import Fit, depends_on, is_of, loaded, path_of, paths_of, read_fit
from vae_lab.evaluation.trained import Evaluation
from vae_lab.inference import code_sizes
from vae_lab.nets.code_grid import CodeGrid
from vae_lab.system.files import write_torch
from vae_lab.types import CodePrior, Model, Normal, Sampler


def sampler_name(config: Node) -> str | None:
    """Return the name of the sampler that a config selects; None if it is the model's prior."""
    if not config.get("sampler"):
        return None
    return str(config.get("choices", {}).get("sampler") or config["sampler"]["_target_"].split(".")[-2])


def fitted(evaluation: Evaluation, node: Node, name: str, run_dir: Path) -> tuple[Fit, Node]:
    """Return a sampler with the settings ``node``, and the record of its fit for protocols.

    It is loaded from the run folder if it was fitted there; otherwise it is fitted now and saved.

    Raises:
        UserError: the saved file is damaged, or the sampler cannot be fitted to the codes.
    """
    about = depends_on(evaluation, node)
    for path in paths_of(run_dir, name):
        saved = read_fit(path)
        if saved and about.items() <= saved["about"].items():
            return loaded(saved, path, evaluation.device), saved["about"]
    return _fit(evaluation, about, name, run_dir)


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
    about = depends_on(evaluation, node or default)
    for path in paths_of(run_dir, name):
        saved = read_fit(path)
        if not saved or not is_of(saved["about"], about, path):
            continue
        if node in (None, saved["about"]["settings"]):
            return loaded(saved, path, evaluation.device), saved["about"]
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
    saved = read_fit(path_of(run_dir, name))
    if not saved or saved["about"]["weights_sha256"] != depends_on(evaluation, {})["weights_sha256"]:
        return None
    return loaded(saved, path_of(run_dir, name), evaluation.device), saved["about"]


_INDEPENDENT = "drawn apart from the codes, which is right as far as q(z) is the same for every y"


def _fit(evaluation: Evaluation, about: Node, name: str, run_dir: Path) -> tuple[Fit, Node]:
    sampler: Fit = make(about["settings"])
    refuse_other_codes(sampler, evaluation.model, name)
    path = path_of(run_dir, name)
    kept = KeptFit(path.with_suffix(".unfinished.pt"), about)
    with torch.enable_grad(), torch.inference_mode(False):
        if is_code_prior(sampler):
            path.parent.mkdir(exist_ok=True)  # for the state of a fit that is interrupted
            described = _fit_prior(sampler, evaluation, name, kept)
        else:
            described = _fit_sampler(cast(Sampler, sampler), evaluation, name)
    about = {**about, "sampler": sampler.label, **described, "seconds": round(kept.seconds, 2), **sampler.about}
    for figure in (run_dir / "figures").glob(f"*_{name}.*"):
        figure.unlink()  # It shows samples of an earlier fit.
    path.parent.mkdir(exist_ok=True)
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
        UserError: the sampler is for real codes and those of the model are discrete, or the other way round; or it is
            for codes of another shape.
    """
    discrete = bool(code_sizes(model))
    kind, instead = ("discrete", "code_transformer") if discrete else ("real", "gmm")
    if kind not in sampler.takes:
        raise UserError(
            f"sampler={name} is fitted to {' or '.join(sampler.takes)} codes, and those of this model are {kind}; "
            f"type sampler={instead}"
        )
    if is_code_prior(sampler):
        for shape, codes in zip(model.latent_shapes, code_sizes(model)):
            CodeGrid.of(shape, codes)  # refuses other shapes
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
