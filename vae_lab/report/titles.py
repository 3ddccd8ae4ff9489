"""The title of a run: one line with its key settings."""

from vae_lab.config.node import Node
from vae_lab.config.reads import default_of, model_reads, name_of, settings_of
from vae_lab.config.weights import has_kl_weight, has_schedule
from vae_lab.errors import counted


def title_of(config: Node, many: str = "images") -> str:
    """The key settings of a run in one line, for figures and tables.

    Args:
        config: the config of the run.
        many: the word for several examples of its dataset.
    """
    choices = config.get("choices", {})
    weights = f"β={config['beta']:g}" if config["k1"] == 1 else f"k1={config['k1']:g}, k2={config['k2']:g}"
    parts = [
        f"{name_of(config, 'model')}, {choices.get('objective', '')}/{choices.get('likelihood', '')} "
        f"on {config['dataset']['name']}",
        *_latent_sizes(config),
        *([weights] if has_kl_weight(config["objective"]) else []),
        *_non_defaults(config, many),
        counted(config["epochs"], "epoch"),
        f"seed {config['seed']}",
    ]
    return ", ".join(parts)


def _latent_sizes(config: Node) -> list[str]:
    """``latent_dim=16``, or the ``latent_dims`` of a model that lists its levels, with its ``blocks`` per entry."""
    if model_reads(config, "latent_dim"):
        return [f"latent_dim={config['latent_dim']}"]
    model = config["model"]
    keys = ("latent_dims", "blocks") if model.get("latent_dims") else ()
    return [f"{key}=[{','.join(map(str, model[key]))}]" for key in keys if isinstance(model.get(key), list)]


def _non_defaults(config: Node, many: str) -> list[str]:
    """Those settings that are needed to interpret a figure and do not have their default value."""
    dataset, objective = config["dataset"], config["objective"]
    schedule = config.get("choices", {}).get("beta_schedule")
    per_level = " per level" if objective.get("free_bits_per") == "level" else ""
    ema = config.get("training", {}).get("ema")
    noise = f"noise σ={dataset.get('noise_std', 0):g} on {100 * dataset.get('noise_share', 0):g} %"
    shown = {
        f"{objective.get('samples')} samples": objective.get("samples", 1) > 1,
        f"free bits {objective.get('free_bits', 0):g}{per_level}": objective.get("free_bits"),
        f"minimum rate {objective.get('min_rate', 0):g}": objective.get("min_rate"),
        f"β_neg={objective.get('beta_neg', 0):g}": objective.get("beta_neg"),
        f"margin {objective.get('margin', 0):g}": objective.get("margin"),
        f"α={objective.get('alpha', 0):g}": _is_changed(config, "alpha"),
        f"γ={objective.get('gamma', 0):g}": _is_changed(config, "gamma"),
        f"{counted(objective.get('vae_epochs', 0), 'epoch')} as a VAE": objective.get("vae_epochs"),
        "balanced KL": objective.get("kl_balance"),
        f"{schedule} schedule": schedule not in (None, "constant") and has_schedule(objective),
        f"EMA {ema}": ema,
        f"lr={config['lr']:g}": config["lr"] != 1e-3,
        f"{dataset.get('binarize')} binarisation": dataset.get("binarize"),
        noise: dataset.get("noise_std"),
        f"{dataset.get('limit')} training {many}": dataset.get("limit"),
    }
    return [*_model_options(config), *(text for text, applies in shown.items() if applies)]


def _is_changed(config: Node, key: str) -> bool:
    """Whether the objective has a setting of that name with another value than its option."""
    objective, option = config["objective"], config.get("choices", {}).get("objective")
    return key in objective and objective[key] != settings_of("objective", str(option)).get(key)


def _model_options(config: Node) -> list[str]:
    """What the model reads of posterior, prior and quantizer, unless it is the default, and ``conditional``."""
    chosen = {group: config.get("choices", {}).get(group) for group in ("posterior", "prior", "quantizer")}
    shown = [
        f"{option} {group}"
        for group, option in chosen.items()
        if option not in (None, default_of(group)) and model_reads(config, group)
    ]
    return [*shown, *(["conditional"] if config.get("conditional") and model_reads(config, "conditional") else [])]
