"""The use of each level of a hierarchy of latents: its KL, its active units, and what the levels above it carry alone.

Level 1 is next to the data, level L is the top. KL_i = E KL[q(z_i|z_{>i}, x) ‖ p(z_i|z_{>i})] in nats. For the top k
levels alone, z_L … z_{L−k+1} are drawn from q and the levels below from p given them, so that ``rate`` is the
information in those k levels and ``recon`` the error that they leave (as in figure 3 of arXiv 1602.02282 and section 5
of arXiv 2011.10650).

A unit of the top is active if Var_x(E_q[z_j]) > 0.01 (arXiv 1509.00519, section 5.2). Below the top this variance
contains the randomness of the level above, so a unit is active there if its mean KL is larger than 0.01 nats.
"""

import math

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from vae_lab.examples import in_words_of
from vae_lab.scores import Scores, Trained
from vae_lab.types import KL_OF_LEVEL

ACTIVE = 0.01  # variance of the mean at the top, and nats of KL below it


class Levels:
    """KL, active units and the reconstruction from the upper levels alone, for each level of a hierarchy.

    Args:
        images: number of test examples that are reconstructed from the upper levels.
        empty: nats; a level with a smaller KL is called empty.
    """

    needs = ("hierarchy", "posterior")
    topic = "Latent space"

    def __init__(self, images: PositiveInt = 1000, empty: NonNegativeFloat = 0.1) -> None:
        self.images, self.empty = images, empty

    def __call__(self, trained: Trained) -> Scores:
        """Return ``kl_level<i>``, ``active_units_level<i>``, ``rate_top<k>`` and ``recon_top<k>``.

        A note says which levels are empty.
        """
        levels = len(trained.model.latent_shapes)
        number = {index: levels - index for index in range(levels)}  # latents are listed from the top
        parts = [trained.kl(level=index).mean(0) for index in range(levels)]
        kl = [part.sum().item() for part in parts]
        units = {} if _discrete(trained) else {i: _active(trained, index, parts[index]) for index, i in number.items()}
        recon = self._recon_of_top(trained)
        values = {f"{KL_OF_LEVEL}{i}": kl[index] for index, i in number.items()}
        values |= {f"active_units_level{i}": active for i, active in units.items()}
        values |= {f"rate_top{k}": sum(kl[:k]) for k in range(1, levels)}
        values |= {f"recon_top{k}": recon[k - 1] for k in range(1, levels)}
        rows = [
            {"level": i, "kl": kl[index], **({"active_units": units[i]} if units else {}),
             "rate_of_top": sum(kl[: index + 1]), "recon_of_top": recon[index]}
            for index, i in number.items()
        ]  # fmt: skip
        meanings = {f"{KL_OF_LEVEL}{i}": f"KL of level {i} of {levels}, nats per {{one}}" for i in number.values()}
        meanings |= {f"active_units_level{i}": f"latent dimensions of level {i} in use" for i in units}
        for k in range(1, levels):
            top = f"the top {k} levels" if k > 1 else "the top level"
            meanings[f"rate_top{k}"] = f"KL of {top} alone, nats per {{one}}"
            meanings[f"recon_top{k}"] = f"recon, nats per {{one}}, with {top} from q and the others from p"
        meanings[f"{KL_OF_LEVEL}1"] += "; level 1 is next to the data"
        protocol = {
            "images": min(self.images, len(trained.data.test)),
            "split": "test",
            "draws": "one per example",
            "seed": trained.seed,
        }
        if units:
            protocol["active"] = f"top: variance of the mean above {ACTIVE}; below: mean KL above {ACTIVE} nats"
        notes = _empty_note([number[index] for index in range(levels) if kl[index] < self.empty], levels, self.empty)
        meanings = in_words_of(trained.data.values, meanings)
        return Scores(values, {"levels": protocol}, {"levels": rows}, notes, meanings=meanings)

    def _recon_of_top(self, trained: Trained) -> list[float]:
        """Mean −log p(x|z) less its offset, with the top 1, 2, … L levels from q and the others from p, in nats."""
        model, noise = trained.model, trained.noise("upper levels")
        totals, seen = torch.zeros(len(model.latent_shapes), dtype=torch.float64), 0
        with torch.inference_mode():
            for batch in trained.data.batches("test", self.images):
                latents = model.infer(batch.x, batch.y, 1, noise)
                kept = latents.z if latents.codes is None else latents.codes
                for k in range(1, len(totals) + 1):
                    z = trained.latents(len(batch.x), noise, batch.y, kept[:k])
                    log_px = model.likelihood.log_prob(model.decode(z, batch.y).float(), batch.target)
                    totals[k - 1] -= log_px.double().sum().cpu()
                seen += len(batch.x)
        offset = model.likelihood.recon_offset(batch.target[0].numel())
        return (totals / seen - offset).tolist()


def _discrete(trained: Trained) -> bool:
    """Whether the model has discrete codes, which have no active units; :mod:`vae_lab.metrics.codes` has their use."""
    return bool(getattr(trained.model, "code_sizes", ()))


def _active(trained: Trained, index: int, kl: Tensor) -> int:
    """The number of active units of the level with this index, counted from the top."""
    if index == 0:
        mu = trained.codes()[0].mu
        return int((mu.var(0) > ACTIVE).sum()) if len(mu) > 1 else 0
    width = math.prod(trained.model.latent_shapes[index])
    if len(kl) != width:  # only the sum of the level is known
        return width if kl.sum() > ACTIVE else 0
    return int((kl > ACTIVE).sum())


def _empty_note(empty: list[int], levels: int, threshold: float) -> list[str]:
    if not empty:
        return []
    which = ", ".join(map(str, sorted(empty)))
    one = len(empty) == 1
    return [
        f"Level{'' if one else 's'} {which} of {levels} {'is' if one else 'are'} empty (KL below {threshold:g} nats; "
        "level 1 is next to the data). Try a longer warm-up (beta_schedule=linear beta_schedule.epochs=…), free bits "
        "per level (objective.free_bits=1 objective.free_bits_per=level) or batch normalisation (model.net.norm=batch)."
    ]
