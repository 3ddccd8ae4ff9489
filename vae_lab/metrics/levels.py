"""The use of each level of a hierarchy of latents: its KL, its active units, and what the levels above it carry alone.

Level 1 is next to the data, level L is the top. KL_i = E KL[q(z_i|z_{>i}, x) ‖ p(z_i|z_{>i})] in nats. For the top k
levels alone, z_L … z_{L−k+1} are drawn from q and the levels below from p given them, so that ``rate`` is the
information in those k levels and ``recon`` the error that they leave (as in figure 3 of arXiv 1602.02282 and section 5
of arXiv 2011.10650).

When a unit is active is defined in :mod:`vae_lab.metrics.common.active_units`.
"""

import torch
from pydantic import NonNegativeFloat, PositiveInt

from vae_lab.examples import in_words_of
from vae_lab.inference import code_sizes
from vae_lab.metrics.common.active_units import active_units, criterion
from vae_lab.metrics.loss_terms import unit_of_recon
from vae_lab.scores import Scores, Trained
from vae_lab.types import KL_OF_LEVEL


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
        units = {} if code_sizes(trained.model) else {i: int(active_units(trained, j).sum()) for j, i in number.items()}
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
        meanings |= {
            f"active_units_level{i}": f"active dimensions of level {i}: {criterion(levels - i)}" for i in units
        }
        unit = unit_of_recon(trained.model.likelihood, trained.data.x_shape)
        for k in range(1, levels):
            top = f"the top {k} levels" if k > 1 else "the top level"
            meanings[f"rate_top{k}"] = f"KL of {top} alone, nats per {{one}}"
            meanings[f"recon_top{k}"] = f"recon, {unit} per {{one}}, with {top} from q and the others from p"
        meanings[f"{KL_OF_LEVEL}1"] += "; level 1 is next to the data"
        protocol = {
            "images": min(self.images, len(trained.data.test)),
            "split": "test",
            "draws": "one per example",
            "seed": trained.seed,
        }
        if units:
            protocol["active"] = f"top: {criterion(0)}; below: {criterion(1)}"
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
