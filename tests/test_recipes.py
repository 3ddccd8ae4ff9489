"""Tests that recipes have the numbers of their authors' code, and that their own options work."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from vae_lab.config.conf import CONF
from vae_lab.config.help import groups
from vae_lab.config.hydra_errors import register_resolvers

# The numbers that were read in the authors' code; the file of each recipe names the source.
AUTHORS = {
    "burda_2016": {
        "initialisation": {"_target_": "Glorot", "output_bias": "data"},
        "optimizer": {"betas": [0.99, 0.999], "eps": 1e-4},
        "batch_size": 20,
        "epochs": sum(3**i for i in range(8)),
    },
    "burda_2016_vae": {
        "initialisation": {"_target_": "Glorot", "output_bias": "data"},
        "optimizer": {"betas": [0.99, 0.999], "eps": 1e-4},
    },
    "child_2021": {
        "model": {"blocks": [22, 11, 6, 3, 1], "up_blocks": [12, 7, 7, 4, 3], "latent_dims": [16] * 5,
                  "net": {"width": 384, "middle": 0.25 * 384}},
        "optimizer": {"lr": 2e-4, "betas": [0.9, 0.9], "weight_decay": 0.01},
        "training": {"clip": 200 * 32 * 32 * 3, "ema": 0.9999},
        "epochs": round(1_000_000 * 32 / 45_000),
    },
    "vahdat_2020": {
        "model": {"blocks": [10, 5], "latent_dims": [20, 20], "residual_posterior": True, "spectral": 1e-2,
                  "net": {"width": 32 * 2 * 2, "squeeze_excitation": True}},
        "objective": {"kl_balance": True, "schedule": {"_target_": "Linear", "epochs": 0.3 * 400}},
        "optimizer": {"_target_": "Adamax", "lr": 1e-2, "eps": 1e-3, "weight_decay": 3e-4},
        "scheduler": {"make": {"_target_": "CosineAnnealingLR", "T_max": 400, "eta_min": 1e-4}},
    },
    "dai_wipf_2019": {
        "initialisation": {"_target_": "NormalWeights", "std": 0.02},
        "sampler": {"width": 1024, "depth": 3, "epochs": 800, "batch_size": 64, "lr": 1e-4, "halve_every": 300,
                    "fresh_codes": True, "patience": 800},
    },
    "daniel_2021": {
        "model": {"net": {"channels": [64, 128]}},
        "objective": {"gamma": 1e-8, "vae_epochs": 0},
        "latent_dim": 32,
        "epochs": 200,
        "batch_size": 128,
        "lr": 2e-4,
    },
    "ghosh_2020": {
        "initialisation": {"_target_": "Glorot", "output_bias": "default"},
        "model": {"net": {"symmetric": True, "dense_relu": False}},
        "objective": {"code_weight": 2 * 1024 * 1e-4 / 16, "decoder_weight": pytest.approx(1024 * 1e-7, rel=0.03)},
    },
    "huang_2018": {
        "objective": {"margin": 120, "alpha": 0.5},
        "latent_dim": 512,
        "epochs": 500,
        "batch_size": 16,
        "lr": 2e-4,
    },
    "kim_mnih_2018": {"initialisation": {"_target_": "Glorot"}},
    "kingma_welling_2013": {"initialisation": {"_target_": "NormalWeights", "std": 0.1}},
    "sonderby_2016": {
        "epochs": 2000, "batch_size": 256, "lr": 2e-4,
        "training": {"clip": 4},
        "beta_schedule": {"epochs": 200},
        "optimizer": {"eps": 1e-4},
        "model": {"latent_dims": [64, 32, 16, 8, 4],
                  "net": {"widths": [512, 256, 128, 64, 32], "depth": 2, "slope": 0.01, "norm": "batch"}},
    },
    "tolstikhin_2018": {"initialisation": {"_target_": "NormalWeights", "std": 0.01}},
    "tomczak_2018": {"initialisation": {"_target_": "He"}},
    "zhao_2017": {"initialisation": {"_target_": "Glorot", "output_bias": "default"}},
    "chen_2018": {"metrics": {"mig_integral": {"_target_": "MIGIntegral"}}, "beta": 6, "batch_size": 2048},
}  # fmt: skip
# These start from torch's own weights, as their code does, or admit another start.
OF_TORCH = {"burgess_2018", "higgins_2017", "kingma_2016", "oord_2017", "razavi_2019", "rybkin_2021", "sohn_2015"}


def test_every_recipe_is_here():
    assert {name.removeprefix("paper/") for name in groups()["experiment"] if name.startswith("paper/")} == {
        *AUTHORS, *OF_TORCH,
    }  # fmt: skip


@pytest.mark.parametrize("name", AUTHORS)
def test_a_recipe_has_the_numbers_of_its_authors(name):
    register_resolvers()
    with initialize_config_dir(str(CONF.absolute()), version_base="1.3"):
        config = OmegaConf.to_container(compose("train", [f"experiment=paper/{name}", "k1=1", "k2=1"]), resolve=True)
    _compare(config, AUTHORS[name], name)


def _compare(found: dict, known: dict, path: str) -> None:
    for key, value in known.items():
        if isinstance(value, dict):
            _compare(found[key], value, f"{path}.{key}")
        elif key == "_target_":
            assert found[key].endswith(f".{value}"), path
        else:
            assert found[key] == value, f"{path}.{key}"
