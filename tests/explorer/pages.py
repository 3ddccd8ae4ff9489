"""Pages of small runs, without training."""

from pathlib import Path

import torch
from helpers import GivenSource, labelled
from torch import nn

from vae_lab.data.dataset import Dataset
from vae_lab.evaluation.trained import Evaluation
from vae_lab.examples import Examples
from vae_lab.explorer.attributes import attributes_for_page
from vae_lab.explorer.material import Material, material_of
from vae_lab.explorer.page import page_of
from vae_lab.objectives.elbo import ELBO
from vae_lab.schedules import Constant
from vae_lab.training.job import Job


def evaluation_of(model: nn.Module, examples: Examples | None = None) -> Evaluation:
    """A model with 60 training and 40 test examples of four classes."""
    given = examples or labelled(100, model.x_shape, 4)
    parts = given.part(torch.arange(60)), given.part(torch.arange(60, 100))
    data = Dataset("fake", GivenSource(*parts), Path(), 5, 0)
    return Evaluation(Job(model, ELBO(1.0, 1.0, 1, "B", Constant())), data, 0, torch.device("cpu"), "small, <b>seed 0")


def write_page(evaluation: Evaluation, path: Path, **changes) -> Material:
    """Write the page of a run as ``vae-lab explore`` does, and return what it is made of."""
    material = material_of(evaluation, 32, "fp16")
    material.attributes = attributes_for_page(evaluation) if material.program else None
    for name, value in changes.items():
        setattr(material, name, value)
    path.write_text(page_of(material), encoding="utf-8")
    return material
