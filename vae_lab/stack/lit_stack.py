"""The LightningModule of a stack: what :class:`~vae_lab.training.lit.LitJob` is to one job, for several at once."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from vae_lab.config.make import make
from vae_lab.noise import Asked, SeededNoise, drawn
from vae_lab.runs.preparing import last_checkpoint
from vae_lab.stack import optimizer as stacked
from vae_lab.stack.member import Member
from vae_lab.stack.state import Stack, Together
from vae_lab.training.engine import Engine, Phase, Place
from vae_lab.training.history import steps_taken
from vae_lab.training.term_sums import TermSums, why_diverged
from vae_lab.types import Group, LossTerms, Step

Draws = list[tuple[Tensor, bool]]


class Emptied(Exception):
    """No job of the stack is left to train."""


class LitStack(pl.LightningModule):
    """Trains the members together; each leaves at its own end, or when its loss is no number any more.

    Args:
        members: of one structure, with equal settings where a step depends on them.
        seeds: the different ones among theirs, in the order of the batches' slices.
        device: that the trainer will use.
    """

    engine: Engine

    def __init__(self, members: Sequence[Member], seeds: Sequence[int], device: torch.device) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.members, self.seeds = list(members), list(seeds)
        self.where = device
        self.stack = Stack([member.run.job for member in members], device)
        run = members[0].run
        self.phases, self.images = list(run.job.objective.phases), len(run.data.train)
        steps = run.settings.training
        self.clip, self.accumulate, self.log_every = steps.clip, steps.accumulate, steps.log_every
        self.train_terms, self.val_terms = TermSums(), TermSums()
        self._asked: dict[tuple[str, bool, int], Asked] = {}  # by phase, training, images of a batch
        self._saving: Member | None = None
        self._which = self._places_of_seeds()

    def configure_optimizers(self) -> Any:
        """One per phase for all jobs; schedules are the members' own."""
        for member in self.members:
            member.attach(self.trainer)
            member.callback("setup", self, "fit")
        run = self.members[0].run
        own, usual = run.job.own_optimizers, make(run.config["optimizer"])
        return [own.get(phase, usual)(self.stack.parameters_of(phase)) for phase in self.phases]

    def on_train_start(self) -> None:
        """The engine of a job alone takes the steps; loss, clipping and optimizers are those of all jobs."""
        self._call_back("on_train_start")
        clip = self.clip
        self.engine = Engine(
            loss=partial(self._losses, training=True),
            phases=[self._phase(name, one) for name, one in zip(self.phases, self._optimizers())],
            seed=self.seeds[0],
            rank=self.global_rank,
            images=self.images,
            device=self.where,
            backward=lambda losses: losses.sum().backward(),
            clip=None if clip is None else lambda phase: stacked.clip(phase.param_groups[0]["params"], clip),
            isolate=self.toggle_optimizer,
            release=self.untoggle_optimizer,
        )

    def _phase(self, name: str, optimizer: Any) -> Phase:
        at_own_rates = stacked.AtOwnRates(optimizer, lambda: [member.clocks[name] for member in self.members])
        return Phase(name, at_own_rates, self.stack.parameters_of(name))

    def on_train_epoch_start(self) -> None:
        """For each job's callbacks."""
        self._call_back("on_train_epoch_start")

    def on_validation_start(self) -> None:
        """For each job's callbacks."""
        self._call_back("on_validation_start")

    def training_step(self, group: Group, group_idx: int) -> None:
        """Several batches in a row."""
        batches: Any = group.batches  # several side by side
        for number, batch in enumerate(batches, group.first):
            self._take(batch, Place(self.current_epoch, number, group.epoch_batches, self.accumulate))

    def _take(self, batch: Any, at: Place) -> None:
        self.train_terms.add(self.engine.take(batch.at(self._which), at), len(batch))
        for member in self.members if at.last else ():
            if member.settings.scheduler.interval == "step":
                member.move_schedules()
        if (at.position + 1) % (self.log_every * self.accumulate) == 0:
            self._log_recent()

    def validation_step(self, batch: Together, batch_idx: int) -> None:
        """The objective with every schedule at its end."""
        noise = SeededNoise(self.where, self.seeds[0], "val", batch_idx, self.global_rank)
        forever = torch.full((), float("inf"), device=self.where)
        step = Step(torch.zeros_like(forever), forever, noise, "model", self.images)
        self.val_terms.add({"model": self._losses(batch.at(self._which), step, training=False)}, len(batch))

    def _losses(self, batch: Any, step: Step, training: bool) -> LossTerms:
        """Losses and terms [J]. The step's noise is the first seed's; each job has the draws of its own."""
        first: Any = step.noise
        kind = (step.phase, training, len(batch))
        if kind not in self._asked:
            self._asked[kind] = self.stack.asked(batch.of(0), step, SeededNoise(self.where, *first.key), training)
        noises = [SeededNoise(self.where, seed, *first.key[1:]) for seed in self.seeds]
        each = [drawn(noise, self._asked[kind]) for noise in noises]
        return self.stack.call(batch, step, self._stacked_draws(each), training)

    def _stacked_draws(self, each: list[list[Tensor]]) -> Draws:
        if len(each) == 1:
            return [(draw, False) for draw in each[0]]
        found = [torch.stack(draws) for draws in zip(*each)]
        return [(draws if self._which is None else draws[self._which], True) for draws in found]

    def _log_recent(self) -> None:
        """A point of each job's curves."""
        means = dict(zip(self.members, self.train_terms.recent(_here)))
        self._drop_diverged([means])
        for member in self.members:
            member.log_point(means[member])

    def on_validation_epoch_end(self) -> None:
        """Means of both splits, once per epoch, to each job's callbacks and loggers."""
        train, val = (dict(zip(self.members, sums.close(_here))) for sums in (self.train_terms, self.val_terms))
        self._drop_diverged([train, val])
        for member in self.members:
            member.log_epoch({**_under("train", train[member]), **_under("val", val[member])})

    def _drop_diverged(self, splits: list[dict[Member, dict[str, float]]]) -> None:
        """Before a checkpoint is written, so that the last one is good.

        Raises:
            Emptied: no job is left.
        """
        steps = steps_taken(self.trainer)
        for member in self.members:
            reasons = (why_diverged(means[member], self.current_epoch, steps) for means in splits)
            member.reason = next((reason for reason in reasons if reason), "")
        failed = [member for member in self.members if member.reason]
        self._let_go(failed)
        for member in failed:
            member.fail()
        if not self.members:
            raise Emptied

    def on_train_epoch_end(self) -> None:
        """Histories, schedules and checkpoints; jobs that are through leave."""
        writing: Any = self.trainer.strategy.checkpoint_io
        writing.wait()  # for those of the epoch before
        for member in self.members:
            member.close_epoch(self)
        self._let_go([member for member in self.members if member.is_through])
        if not self.members:
            self.trainer.should_stop = True

    def save_of(self, member: Member, path: str, weights_only: bool | None) -> None:
        """A checkpoint of one job, as if it had been trained alone."""
        self._saving = member
        self.trainer.save_checkpoint(path, weights_only)
        self._saving = None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What Lightning tells of the stack becomes what it would tell of the job."""
        assert self._saving is not None
        place = self.members.index(self._saving)
        checkpoint["state_dict"] = self.stack.state_of(place)
        self._saving.dump_to(checkpoint, place)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The first job's, that the trainer was given, becomes that of the stack: all jobs' last ones."""
        paths = [last_checkpoint(member.run.run_dir) for member in self.members]
        saved = [torch.load(path, map_location="cpu", weights_only=True) for path in paths if path]
        if len({one["epoch"] for one in saved}) > 1 or len(saved) < len(paths):
            raise RuntimeError("the jobs' checkpoints are of different epochs")
        self.stack.load([one["state_dict"] for one in saved])
        for member, one in zip(self.members, saved):
            member.load(one)
        states = [
            stacked.stacked_state(list(of_phase)) for of_phase in zip(*(one["optimizer_states"] for one in saved))
        ]
        checkpoint.update(state_dict={}, callbacks={}, lr_schedulers=[], optimizer_states=states)

    def _let_go(self, gone: list[Member]) -> None:
        """Train the others alone from here on; nothing of theirs changes."""
        for member in gone:
            member.has_left, member.steps = True, steps_taken(self.trainer)
        kept = [place for place, member in enumerate(self.members) if member not in gone]
        self.members = [self.members[place] for place in kept]
        if gone and kept:
            places = torch.tensor(kept, device=self.device)
            self.stack.keep(places)
            for optimizer in self.trainer.optimizers:
                stacked.keep(optimizer, places)
            for sums in (self.train_terms, self.val_terms):
                sums.keep(places)
        self._which = self._places_of_seeds()

    def _places_of_seeds(self) -> Tensor | None:
        """The slice of batches and draws that each job takes, long [J]; None where they are as they should be."""
        which = [self.seeds.index(member.settings.seed) for member in self.members]
        as_they_are = len(self.seeds) == 1 or which == list(range(len(self.seeds)))
        return None if as_they_are else torch.tensor(which, device=self.where)

    def _call_back(self, hook: str) -> None:
        for member in self.members:
            member.callback(hook, self)

    def _optimizers(self) -> list[Any]:
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]


def _here(x: Tensor) -> Tensor:
    """There is one process."""
    return x


def _under(split: str, means: dict[str, float]) -> dict[str, float]:
    return {f"{split}/{name}": value for name, value in means.items()}
