"""The one line that tells a run's key settings."""

from collections.abc import Mapping
from typing import Any

from vae_lab.config.weights import has_kl_weight


def title_of(config: Mapping[str, Any]) -> str:
    """The run's key settings in one line, for pictures and tables."""
    choices = config.get("choices", {})
    name = choices.get("model") or config["model"]["_target_"].rpartition(".")[2]
    weights = f"β={config['beta']:g}" if config["k1"] == 1 else f"k1={config['k1']:g}, k2={config['k2']:g}"
    parts = [
        f"{name}, {choices.get('objective', '')}/{choices.get('likelihood', '')} on {config['dataset']['name']}",
        f"latent_dim={config['latent_dim']}",
        *([weights] if has_kl_weight(config["objective"]) else []),
        *_unusual(config),
        f"{config['epochs']} epoch{'s' if config['epochs'] > 1 else ''}",
        f"seed {config['seed']}",
    ]
    return ", ".join(parts)


def _unusual(config: Mapping[str, Any]) -> list[str]:
    """Settings that change what a picture means, where they are not the defaults."""
    dataset, objective, chosen = config["dataset"], config["objective"], config.get("choices", {})
    schedule, posterior, prior = (chosen.get(group) for group in ("beta_schedule", "posterior", "prior"))
    noise = f"noise σ={dataset['noise_std']:g} on {100 * dataset['noise_share']:g} %"
    told = {
        f"{posterior} posterior": posterior not in (None, "diagonal"),
        f"{prior} prior": prior not in (None, "standard"),
        "conditional": config.get("conditional"),
        f"{objective.get('samples')} samples": objective.get("samples", 1) > 1,
        f"free bits {objective.get('free_bits', 0):g}": objective.get("free_bits"),
        f"minimum rate {objective.get('min_rate', 0):g}": objective.get("min_rate"),
        f"{schedule} schedule": schedule not in (None, "constant") and has_kl_weight(objective),
        f"lr={config['lr']:g}": config["lr"] != 1e-3,
        f"{dataset['binarize']} binarisation": dataset["binarize"],
        noise: dataset["noise_std"],
        f"{dataset['limit']} training images": dataset["limit"],
    }
    return [text for text, shown in told.items() if shown]
