"""ROC curves: the rate at which images of another kind are detected against the rate of false alarms."""

import numpy as np
from matplotlib.figure import Figure

from vae_lab.figures.style import BLUE, GREY, ORANGE, new_figure
from vae_lab.scores import Trained

_LINES = {"elbo": ("−ELBO", BLUE, "-"), "recon": ("recon", ORANGE, "--"), "kl": ("KL", "#009E73", "-.")}
_KINDS = {"uniform": "uniform noise", "gaussian": "Gaussian noise", "rotated": "turned by 180°"}


class OODROC:
    """One panel per kind of images, with one curve per score."""

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the metric ``ood`` has no result."""
        panels = trained.scores.arrays.get("ood_roc")
        if not panels:
            return None
        n = trained.scores.protocol["ood"]["images"]
        title = (
            f"Detection of other images, {n:,} of each kind; AUROC below 0.5: they look more typical than test images"
        )
        figure = new_figure(3.0 * len(panels), 4.3, title, trained.title)
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(grid, panels):
            for score, detected in panel["found"].items():
                name, colour, line = _LINES[score]
                area = trained.scores.values[f"test/ood_auroc_{panel['kind']}_{score}"]
                share = np.linspace(0, 100, len(detected))
                axes.plot(share, 100 * np.array(detected), line, color=colour, lw=1.8, label=f"{name}: {area:.3f}")
            axes.plot([0, 100], [0, 100], ":", color=GREY, lw=1, label="chance: 0.5")
            axes.set_title(_KINDS.get(panel["kind"], panel["kind"]), fontsize=9)
            axes.set_xlabel("false alarms on test images (%)")
            axes.set(xlim=(-2, 102), ylim=(-2, 102))
            axes.grid(alpha=0.3)
            axes.legend(
                title="AUROC", loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, fontsize=8, title_fontsize=8
            )
        grid[0].set_ylabel("images detected (%)")
        return figure
