"""The KL of real, reconstructed and drawn images over the epochs of an introspective training."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vae_lab.figures.style import BLUE, GREEN, GREY, ORANGE, new_figure
from vae_lab.scores import Trained

_CURVES = {
    "kl": ("real", BLUE, "o-"),
    "kl_reconstructions": ("reconstructed", GREEN, "^-."),
    "kl_samples": ("drawn from the prior", ORANGE, "s--"),
}
_DECADES = 100  # ratio of the largest to the smallest value from which the axis is logarithmic


class KLOfImages:
    """Three curves of KL[q(z|x) ‖ p(z)], on validation images and on as many decoded ones.

    The encoder is doing its part while the KL of decoded images is above that of real ones. A line marks the end of the
    epochs that train a VAE, before which it has no reason to.
    """

    needs = ("introspective",)
    requires = "a completed epoch in metrics.csv"

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if no epoch was recorded."""
        history = trained.history
        if not history:
            return None
        title = "KL of real and of decoded images (validation)"
        figure = new_figure(6.4, 3.2, title, trained.title)
        axes = figure.subplots()
        shown: list[float] = []
        for name, (label, colour, style) in _CURVES.items():
            values = [row.get(f"val/{name}", float("nan")) for row in history]
            shown += values
            axes.plot([row["epoch"] for row in history], values, style, color=colour, label=label, markersize=4)
        as_a_vae = float(getattr(trained.objective, "vae_epochs", 0.0))
        if as_a_vae > 0:
            axes.axvline(as_a_vae, color=GREY, linestyle=":", label="end of the epochs as a VAE")
        axes.set(xlabel="epoch", ylabel="KL (nats per image)")
        if min(shown) > 0 and max(shown) > _DECADES * min(shown):
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        return figure
