"""Makes the whole run folders that are damaged later, and says which commands read which of their files."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

TINY = ("dataset=digits", "dataset.limit=40", "batch_size=20", "model=dense", "model.net.width=8", "model.net.depth=1",
        "latent_dim=2", "logger=none")  # fmt: skip
QUICK = ("metrics=[loss_terms,latent_use]", "figures=curves")
SWEEP = ("train", "-m", *TINY, "epochs=1", "metrics=loss_terms", "figures=none", "beta=1,2", "hydra.sweep.dir=sweep")
SEARCH = ("train", "-m", *TINY, "epochs=1", "metrics=val_loss_terms", "figures=none", "beta=interval(1,4)",
          "search=optuna", "search.trials=2", "search.minimise=[val/loss]", "hydra.sweep.dir=search")  # fmt: skip
EVALUATE_SAMPLER = ("evaluate", "metrics=fid", "figures=none", "sampler=gmm", "sampler.components=2")
LOAD = "load_run"  # in the place of a command: the run is used as in a notebook


@dataclass(frozen=True)
class Command:
    """A command line, and the files that it reads."""

    words: tuple[str, ...]
    files: tuple[str, ...]
    partly: bool = False  # whether damage makes a part of it fail, with exit status 1, or a marked row

    @property
    def name(self) -> str:
        """A few words for the table."""
        sampler = " sampler" if "sampler=gmm" in self.words else ""
        sweep = " sweep" if "run=sweep" in self.words else ""
        again = {SWEEP: "sweep again", SEARCH: "search again"}.get(self.words)
        return again or ("resume" if "resume=interrupted" in self.words else f"{self.words[0]}{sweep}{sampler}")


_BEGUN = ("config.yaml", "environment.json", "metrics.csv", "checkpoints/best.ckpt", "checkpoints/last.ckpt", ".lock",
          "failure.json")  # fmt: skip
_FINISHED = tuple(f"finished/{name}" for name in (*_BEGUN, "results.json", "results.json"))
_SAMPLER = (*_FINISHED, *("finished/samplers/gmm.pt",) * 4)
_JOBS = (
    *(f"sweep/{job}/{name}" for job in ("beta-1", "beta-2") for name in _BEGUN),
    *("sweep/beta-1/results.json", "sweep/beta-1/results.json", "sweep/sweep.json", "sweep/sweep.json"),
)
COMMANDS = (
    Command(("evaluate", "run=finished", "metrics=[loss_terms]", "figures=[curves,kl_per_dimension]"), _FINISHED),
    Command((*EVALUATE_SAMPLER, "run=finished"), _SAMPLER),
    Command(("sample", "run=finished", "n=4"), _FINISHED),
    Command(("sample", "run=finished", "n=4", "sampler=gmm"), _SAMPLER),
    Command(("figures", "run=finished", "figures=[samples,curves,kl_per_dimension]"), _SAMPLER),
    Command((LOAD, "finished"), _FINISHED),
    Command(("train", "resume=interrupted"),
            tuple(f"interrupted/{name}" for name in _BEGUN)),
    Command(("compare", "finished", "interrupted", "sweep", "out=compared", "grids=3"),
            (*_FINISHED, *_JOBS, "sweep/.lock"), partly=True),
    Command(("evaluate", "run=sweep", "metrics=loss_terms", "figures=none"), _JOBS, partly=True),
    Command(SWEEP, _JOBS, partly=True),
    Command(SEARCH, ("search/optuna.journal",) * 3 + ("search/sweep.json",), partly=True),
)  # fmt: skip


def lines_to_make() -> list[tuple[str, ...]]:
    """Return the command lines that make the folders."""
    first = ("train", *TINY, "epochs=2", "hydra.run.dir=")
    return [
        (*first[:-1], "hydra.run.dir=finished", "metrics=[loss_terms,latent_use,fid]", "figures=none"),
        (*EVALUATE_SAMPLER, "run=finished"),
        (*first[:-1], "hydra.run.dir=interrupted", "scheduler=cosine", *QUICK),
        SWEEP,
        SEARCH,
    ]


def add_missing(path: Path) -> None:
    """Write a file that only some runs have: the lock of a run in use, the reason of a failure."""
    if not path.exists():
        path.write_text(
            '{"status": "failed", "reason": "the loss became NaN"}' if path.name == "failure.json" else "a lock\n"
        )


def interrupt(folder: Path) -> None:
    """Turn finished runs into interrupted ones: one that has an epoch left, and a job that has to be scored."""
    config = folder / "interrupted" / "config.yaml"
    config.write_text(config.read_text().replace("epochs: 2", "epochs: 3"))
    (folder / "interrupted" / "results.json").unlink()
    (folder / "sweep" / "beta-2" / "results.json").unlink()


def add_odd_checkpoints(folder: Path) -> None:
    """Write checkpoints and samplers that torch reads, but which do not hold what they should."""
    odd = folder / "odd"
    odd.mkdir()
    whole = torch.load(folder / "interrupted" / "checkpoints" / "last.ckpt", weights_only=True)
    torch.save([1, 2], odd / "list.ckpt")
    for left_out in ("optimizer_states", "loops", "epoch", "state_dict", "lr_schedulers", "global_step"):
        torch.save({key: value for key, value in whole.items() if key != left_out}, odd / f"without_{left_out}.ckpt")
    for key in ("epoch", "state_dict", "optimizer_states", "loops", "global_step"):
        torch.save({**whole, key: "x"}, odd / f"odd_{key}.ckpt")
    sampler = torch.load(folder / "finished" / "samplers" / "gmm.pt", weights_only=True)
    torch.save([1, 2], odd / "list.pt")
    torch.save({**sampler, "about": {}}, odd / "about.pt")
    torch.save({**sampler, "state": {}}, odd / "state.pt")
    for key in sampler["about"]:
        torch.save({**sampler, "about": {**sampler["about"], key: [1]}}, odd / f"odd_{key}.pt")


def copy(originals: Path, to: Path, command: Command) -> None:
    """Copy the folders that a command reads."""
    for name in {word.rpartition("=")[2] for word in command.words}:
        if (originals / name).is_dir():
            shutil.copytree(originals / name, to / name)
