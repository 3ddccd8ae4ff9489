"""The models of the contract: every option of ``conf/model``, and stand-ins of other structures."""

from pathlib import Path

from conftest import TINY

from vae_lab.config.help import groups
from vae_lab.noise import SeededNoise

STAND_INS = Path(__file__).parents[1] / "stand_ins"
SEARCH = f"hydra.searchpath=[file://{STAND_INS}/conf]"
TOKENS = ("dataset=phrases", "likelihood=categorical", "dataset.limit=16", "batch_size=8", "epochs=1")
SMALLER = {
    "dcgan": ["model.net.width=4"],
    "infogan": ["model.net.hidden=16"],
    "vdvae": ["model.net.width=8", "model.net.middle=4"],
    "nvae": ["model.net.width=8", "model.net.middle=4", "model.blocks=[2,1]", "model.spectral=0.1",
             "beta_schedule=linear", "beta_schedule.epochs=3", "objective.kl_balance=true"],
    "mlp": ["model.net.encoder=[16]", "model.net.decoder=[16]"],
}  # fmt: skip
OWN = list(groups()["model"])
OTHERS = ["two_level", "top_down", "grid_codes", "token_mlp", "token_dense"]
POINTS = "point_codes"  # without its own run of the whole program, since it differs from the others in few places
OF_TOKENS = ("token_mlp", "token_dense")
SEVERAL = ["two_level", "top_down"]

DISCRETE = "needs Gaussian posteriors, and the codes of this model are discrete; type objective=elbo"
POINT = (
    "needs Gaussian posteriors, and the codes of this model are deterministic, so that q(z|x) has no density; "
    "type objective=elbo, or model=cnn"
)


def words_of(model: str) -> list[str]:
    """The command-line words of a small run of a model."""
    data = TOKENS if model in OF_TOKENS else TINY
    return [*data, f"model={model}", *SMALLER.get(model, []), *([SEARCH] if model in (*OTHERS, POINTS) else [])]


def noise(key: str = "contract") -> SeededNoise:
    return SeededNoise("cpu", key)
