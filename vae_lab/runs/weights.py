"""The weights that a run is scored with: ``best.ckpt`` or, if it is lost, those of the last epoch."""

from pathlib import Path

from vae_lab.config.node import Node
from vae_lab.errors import UserError
from vae_lab.runs.build import load_weights
from vae_lab.training.checkpoints import BEST, LAST, is_whole, last_checkpoint
from vae_lab.training.job import Job


def load_best_or_last(job: Job, run_dir: Path) -> tuple[Node, list[str]]:
    """Load the weights to score; return the protocol's entry ``checkpoint``, and notes for the user.

    Raises:
        UserError: neither checkpoint can be used.
    """
    best, last = (run_dir / "checkpoints" / name for name in (BEST, LAST))
    if is_whole(best) or not is_whole(last):
        which = "best val/loss" if job.ranks_epochs else "last epoch"
        return {"which": which, "epoch": load_weights(job, best)}, []
    epoch = load_weights(job, last)
    note = (
        f"{BEST} was {'damaged' if best.exists() else 'missing'}, so the scores are those of the last epoch, {epoch}, "
        "and not of the epoch of the lowest val/loss"
    )
    return {"which": "last epoch", "epoch": epoch, "file": LAST}, [note] if job.ranks_epochs else []


def load_scored(job: Job, run_dir: Path, protocol: Node, finished: bool) -> None:
    """Load the weights whose scores are in ``results.json``; of an interrupted run, the best ones so far.

    Args:
        job: receives the weights.
        run_dir: the run folder.
        protocol: the protocol in ``results.json``.
        finished: whether there is a ``results.json``.

    Raises:
        UserError: the checkpoint is missing, damaged or of another model; the message says what can be done.
    """
    scored = protocol.get("checkpoint")
    name = LAST if isinstance(scored, dict) and scored.get("file") == LAST else BEST
    checkpoint = run_dir / "checkpoints" / name
    try:
        load_weights(job, checkpoint)
    except UserError as why:
        if is_whole(checkpoint):
            raise
        raise UserError(f"{why}; {_remedy(run_dir, finished)}") from why


def _remedy(run_dir: Path, finished: bool) -> str:
    """What the user can do about a damaged checkpoint."""
    if last_checkpoint(run_dir) is None:
        return f"train the run again: vae-lab train --config-dir={run_dir} --config-name=config"
    if not finished:
        return f"type vae-lab train resume={run_dir}"
    return (
        "the scores in results.json remain valid; to go on with the weights of the last epoch, move results.json away "
        f"and type vae-lab train resume={run_dir}"
    )
