"""The commands that are killed, what they need, and the command that finishes their work after a kill."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SMALL = ["dataset=digits", "dataset.limit=64", "batch_size=16", "logger=none"]
RUN = ["train", *SMALL, "epochs=3", "likelihood=sigma", "metrics=loss_terms", "figures=reconstructions"]
LARGE = ["train", *SMALL, "epochs=2", "model=dense", "model.net.width=2500", "metrics=none", "figures=none"]
FOLDER = ["train", "dataset=image_folder", "dataset.source.path=images", "dataset.source.memory_gb=0", "batch_size=16",
          "logger=none", "epochs=1", "metrics=none", "figures=none"]  # fmt: skip
SWEEP = ["train", "-m", *SMALL, "epochs=2", "metrics=loss_terms", "figures=none", "latent_dim=2,3",
         "hydra.sweep.dir=sweep"]  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A command.

    Args:
        name: its name in the table.
        words: what is typed.
        needs: the command in whose folder it runs, once that has finished; None: an empty folder.
        run: a run folder that is finished by ``train resume=`` as soon as it has a config.yaml; otherwise, the same
            words finish the work.
        done: what is written last; a command killed after it needs no further one. None: it can be typed again.
        starts_others: whether it starts further processes, which may be left alive.
        every: how many rounds there are between two kills of it, since some take long.
    """

    name: str
    words: list[str]
    needs: str | None = None
    run: str | None = None
    done: str | None = None
    starts_others: bool = False
    every: int = 1

    def is_done(self, folder: Path) -> bool:
        """Return whether a command that was killed had written everything."""
        return self.done is not None and (folder / self.done).exists()

    def again(self, folder: Path) -> list[str]:
        """Return what is typed after a kill."""
        if self.run is not None and (folder / self.run / "config.yaml").exists():
            return ["train", f"resume={self.run}"]
        return self.words


COMMANDS = [
    Command("train", [*RUN, "hydra.run.dir=run"], run="run", done="run/results.json"),
    Command("train, large", [*LARGE, "hydra.run.dir=run"], run="run", done="run/results.json", every=2),
    Command("train, images mapped from the cache", [*FOLDER, "hydra.run.dir=mapped"], needs="sample", run="mapped",
            done="mapped/results.json"),
    Command("evaluate", ["evaluate", "run=run", "metrics=prdc", "figures=samples", "sampler=gmm"], needs="train"),
    Command("sample", ["sample", "run=run", "n=40", "dir=images"], needs="train", done="images"),
    Command("figures", ["figures", "run=run", "figures=[samples,curves]"], needs="train"),
    Command("score", ["score", *SMALL[:2], "images=images", "metrics=prdc", "figures=none", "logger=none",
                      "hydra.run.dir=scored"], needs="sample", done="scored/results.json"),
    Command("sweep, sequence", SWEEP, every=2),
    Command("sweep, vectorized", [*SWEEP, "launcher=vectorized"], every=3),
    Command("sweep, joblib", [*SWEEP, "launcher=joblib", "launcher.jobs=2"], starts_others=True, every=6),
    Command("compare", ["compare", "sweep", "out=compared"], needs="sweep, sequence"),
]  # fmt: skip
BY_NAME: dict[str, Command] = {command.name: command for command in COMMANDS}


def order(chosen: Callable[[Command], bool]) -> list[Command]:
    """Return the chosen commands with those that need nothing first."""
    done: list[Command] = []

    def add(command: Command) -> None:
        if command.needs:
            add(BY_NAME[command.needs])
        if command not in done:
            done.append(command)

    for command in filter(chosen, COMMANDS):
        add(command)
    return done
