from copy import deepcopy

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from vae_lab.config.conf import CONF
from vae_lab.config.schema import check
from vae_lab.config.settings import EvaluateConfig, SampleConfig, SweepConfig, TrainConfig
from vae_lab.config.weights import resolve_weights
from vae_lab.errors import UserError

WEIGHTS = {"beta": 1, "k1": None, "k2": None}


@pytest.fixture(scope="module")
def composed() -> dict:
    with initialize_config_dir(str(CONF.absolute()), version_base="1.3"):
        config = compose("train", ["likelihood=gaussian", "dataset=digits", "dataset.limit=100"])
        config.update(resolve_weights(WEIGHTS, set(), weighs_kl=True))
        whole = OmegaConf.to_container(config, resolve=True)
    return {key: value for key, value in whole.items() if key not in SweepConfig.model_fields}


def changed(config: dict, path: str, value) -> dict:
    config = deepcopy(config)
    node = config
    *parents, last = path.split(".")
    for part in parents:
        node = node[part]
    node[last] = value
    return config


def refusal(config: dict, path: str, value) -> str:
    with pytest.raises(UserError) as error:
        check(TrainConfig, changed(config, path, value))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_composed_config_is_valid(composed):
    settings = check(TrainConfig, composed)
    assert (settings.latent_dim, settings.k1, settings.k2, settings.lr) == (16, 1.0, 1.0, 1e-3)


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("latent_dims", "latent_dim"),
        ("training.clop", "clip"),
        ("accelerator.device", "devices"),
        ("model.net.widht", "width"),
        ("likelihood.sigmas", "sigma"),
        ("objective.sample", "samples"),
        ("dataset.noise_sdt", "noise_std"),
        ("optimizer.betaz", "betas"),
        ("metrics.fid.sample", "samples"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(composed, path, nearest):
    told = refusal(composed, path, 1)
    assert told.startswith(f"{path}: no such key")
    assert f"did you mean '{nearest}'?" in told


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("latent_dim", "four"),
        ("latent_dim", 2.5),
        ("latent_dim", True),
        ("epochs", None),
        ("lr", "fast"),
        ("data_dir", 3),
        ("training.accumulate", 1.5),
        ("model.net.width", "wide"),
        ("model.net.depth", 1.5),
        ("likelihood.sigma", "auto"),
        ("dataset.limit", "all"),
        ("figures.samples.rows", 2.5),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_key(composed, path, value):
    assert refusal(composed, path, value).startswith(f"{path}={'null' if value is None else value}")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("latent_dim", 0),
        ("epochs", -1),
        ("k2", -0.5),
        ("lr", 0),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("seed", -1),
        ("training.clip", 0),
        ("training.patience", 0),
        ("accelerator.kind", "tpu"),
        ("precision", "bf16-mixed"),
        ("compile", "yes"),
        ("scheduler.interval", "week"),
        ("likelihood.sigma", 0),
        ("likelihood.sigma", -1.0),
        ("objective.samples", 0),
        ("objective.estimator", "C"),
        ("model.net.activation", "step"),
        ("dataset.val_share", 1.0),
        ("dataset.val_share", 0.0),
        ("dataset.noise_share", 1.5),
        ("dataset.noise_std", -0.1),
        ("dataset.binarize", "sometimes"),
        ("dataset.limit", 0),
        ("metrics.fid.samples", 0),
    ],
)
def test_a_value_out_of_range_is_named_with_its_key(composed, path, value):
    assert refusal(composed, path, value).startswith(f"{path}={value}")


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize("path", ["likelihood.sigma", "dataset.noise_std"])
def test_numbers_inside_groups_are_finite_too(composed, path, value):
    assert refusal(composed, path, value).startswith(f"{path}={value}")


@pytest.mark.parametrize(
    ("path", "value"), [("lr", 1), ("beta", 4), ("likelihood.sigma", 1), ("dataset.noise_share", 0)]
)
def test_a_whole_number_is_a_number(composed, path, value):
    check(TrainConfig, changed(composed, path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [("k1", None), ("training.clip", 0.5), ("dataset.limit", None), ("dataset.binarize", "static"), ("logger", {}),
     ("scheduler.make", None), ("objective.estimator", "A")],
)  # fmt: skip
def test_valid_values_of_a_key_are_accepted(composed, path, value):
    check(TrainConfig, changed(composed, path, value))


def test_a_missing_key_is_reported_with_the_words_to_type(composed):
    without = {key: value for key, value in composed.items() if key != "latent_dim"}
    with pytest.raises(UserError, match="latent_dim is missing; type latent_dim=…"):
        check(TrainConfig, without)


def test_a_target_that_cannot_be_imported_is_named(composed):
    told = refusal(composed, "likelihood._target_", "vae_lab.likelihoods.Nothing")
    assert told.startswith("likelihood._target_=vae_lab.likelihoods.Nothing cannot be imported")


ACCELERATOR = {"kind": "cpu", "devices": 1, "strategy": "auto"}


def test_evaluate_and_sample_have_separate_schemas():
    sample = {
        "run": "r",
        "n": 4,
        "seed": 0,
        "y": None,
        "temperature": 1.0,
        "out": None,
        "dir": None,
        "accelerator": ACCELERATOR,
        "sampler": {},
    }
    assert check(SampleConfig, sample).n == 4
    with pytest.raises(UserError, match=r"^n=0: "):
        check(SampleConfig, {**sample, "n": 0})
    evaluate = {"run": "r", "data_dir": None, "accelerator": ACCELERATOR, "features": {}, "metrics": {}, "figures": {},
                "sampler": {}}  # fmt: skip
    assert check(EvaluateConfig, evaluate).run == "r"
    with pytest.raises(UserError, match=r"^metric: no such key.*'metrics'"):
        check(EvaluateConfig, {**evaluate, "metric": {}})


@pytest.mark.parametrize(("key", "value"), [("beta", "much"), ("k1", -1), ("k2", float("nan")), ("beta", True)])
def test_a_weight_that_is_no_weight_is_left_for_the_schema_to_name(composed, key, value):
    found = resolve_weights(WEIGHTS | {key: value}, {key}, weighs_kl=True)
    with pytest.raises(UserError, match=f"^{key}="):
        check(TrainConfig, composed | found)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("model.net", None, "model.net=null: must be a mapping with a _target_, which names a class"),
        ("dataset.source", "x", "dataset.source=x: must be a mapping with a _target_"),
        ("objective._target_", 5, "objective._target_=5: must be a valid string"),
        ("objective._target_", None, "objective._target_=null: must be a valid string"),
        ("posterior._partial_", 3, "posterior._partial_=3: must be a valid boolean"),
        ("objective._args_", "x", "objective._args_=x: must be a valid list"),
        ("objective._convert_", "x", "objective._convert_=x: must be"),
        ("objective._new_", 1, "objective._new_: no such key; those that begin with _ are _target_, _partial_"),
        ("metrics.fid", 5, "metrics.fid=5: fid is a metric and has settings of its own, no value; type metrics=[fid]"),
        ("metrics.kid", {"samples": 5}, "metrics.kid: no metric of this name is chosen; type metrics=[kid]"),
        (
            "objective",
            {"k1": 1.0},
            "objective is no option, since it names no class (_target_); type objective=<option>",
        ),
    ],
)
def test_a_part_that_is_no_part_is_refused(composed, path, value, told):
    assert refusal(composed, path, value).startswith(told)


@pytest.mark.parametrize("path", ["logger", "figures", "metrics", "sampler"])
def test_groups_may_be_empty(composed, path):
    check(TrainConfig, changed(composed, path, {}))


def test_a_metric_may_be_switched_off(composed):
    check(TrainConfig, changed(composed, "metrics.fid", None))


@pytest.mark.parametrize("path", ["metrics.latent_use.threshold", "dataset.noise_std", "model.net.width"])
def test_no_object_stands_in_the_place_of_a_number(composed, path):
    told = refusal(composed, path, {"_target_": "builtins.print"})
    assert told.startswith(f"{path}={{'_target_': 'builtins.print'}}: must be a valid ")


def test_parts_in_a_list_are_checked_like_others(composed):
    ema = {"_target_": "vae_lab.quantizers.EMA"}
    levels = {"_target_": "vae_lab.nets.grid_levels.GridLevels", "width": 8, "depths": [1, 1], "blocks": 1}
    model = {"_target_": "vae_lab.models.vq_vae_2.VQVAE2", "net": levels}
    check(TrainConfig, changed(composed, "model", {**model, "quantizer": [{**ema, "codes": 8}, ema]}))
    message = refusal(composed, "model", {**model, "quantizer": [ema, {**ema, "code": 8}]})
    assert message.startswith("model.quantizer.1.code: no such key (did you mean 'codes'?)")
    message = refusal(composed, "model", {**model, "quantizer": [{**ema, "codes": -1}, ema]})
    assert message.startswith("model.quantizer.0.codes=-1: must be greater than or equal to 2")
    refusal(composed, "model", {**model, "quantizer": [{"_target_": "os.system"}, ema]})
