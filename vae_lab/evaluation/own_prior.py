"""The prior over the codes of a discrete model, which the config of a run chooses.

It is fitted after training and takes the place of the model's uniform prior, because from that there is nothing to
sample. Other samplers may be fitted besides (:mod:`vae_lab.evaluation.fitting`).
"""

import copy
from pathlib import Path
from typing import cast

import torch
from torch import nn

from vae_lab.config.make import make
from vae_lab.config.node import Node
from vae_lab.evaluation.code_source import EncodedCodes
from vae_lab.evaluation.draws import is_code_prior
from vae_lab.evaluation.fitting import earlier_fit, fitted, sampler_name
from vae_lab.evaluation.saved_fits import OWN
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import Data
from vae_lab.report.following import clock
from vae_lab.samplers.autoregressive import Autoregressive
from vae_lab.samplers.prior_budget import estimated_seconds
from vae_lab.types import CodePrior, Model


def put_own_prior(evaluation: Evaluation, config: Node, run_dir: Path, fit: bool = True) -> bool:
    """Put the prior over codes that a run's config chooses in the place of the model's uniform prior.

    It is fitted first if it has not been. Nothing is done where the config chooses another sampler, or none.

    Args:
        evaluation: the evaluation of the run.
        config: the config of the run.
        run_dir: its folder.
        fit: whether a prior that is not there is fitted; if not, the model keeps its uniform prior.

    Returns:
        Whether the prior is now the one that the config chooses.

    Raises:
        UserError: the saved file is damaged.
    """
    node = config.get("sampler")
    if not node or not is_code_prior(make(node)):
        return True
    found = fitted(evaluation, node, OWN, run_dir) if fit else earlier_fit(evaluation, OWN, run_dir)
    if found is None:
        return False
    evaluation.prior = cast(CodePrior, found[0])
    evaluation.scores.protocol[OWN] = evaluation.fresh.protocol[OWN] = found[1]
    return True


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
    there = copy.deepcopy(cast(nn.Module, model)).to(device).eval()
    source = EncodedCodes(cast(Model, there), data, epochs, seed=0, device=device)
    seconds = clock(estimated_seconds(prior, source))
    return (
        f"Then sampler={sampler_name(config)} is fitted to the codes: at most {prior.training_loop.budget(source)}, "
        f"about {seconds} on this device"
    )
