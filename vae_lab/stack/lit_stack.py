"""The LightningModule of a stack. It trains several jobs as :class:`~vae_lab.training.lit.LitJob` trains one."""

from collections.abc import Sequence
from functools import partial

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim import Optimizer

from vae_lab.config.make import make
from vae_lab.noise import Asked, SeededNoise, drawn
from vae_lab.stack import optimizer as stacked
from vae_lab.stack.member import Member
from vae_lab.stack.optimizer import State
from vae_lab.stack.stacked_job import Draws, Stack, StackBatch
from vae_lab.stack.writing import BackgroundCheckpointIO
from vae_lab.training.checkpoints import AVERAGED, to_continue
from vae_lab.training.engine import Engine, Phase, Place
from vae_lab.training.term_sums import TermSums, why_diverged
from vae_lab.training.weight_average import WeightAverage
from vae_lab.types import Group, LossTerms, Step


class StackEmpty(Exception):
    """No job of the stack is left to train."""


class LitStack(pl.LightningModule):
    """Trains several jobs together. A job leaves after its last epoch, or when its loss is NaN or infinite.

    Args:
        members: jobs of the same structure, with equal values of the settings that a step depends on.
        seeds: the different seeds of the members, in the order of the batches' slices.
        device: the device that the trainer will use.
    """

    engine: Engine

    def __init__(self, members: Sequence[Member], seeds: Sequence[int], device: torch.device) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.members, self.seeds = list(members), list(seeds)
        self.stack_device = device  # the module's own ``device`` is the CPU until training starts
        self.stack = Stack([member.run.job for member in members], device)
        run = members[0].run
        self.phases, self.images = list(run.job.objective.phases), len(run.data.train)
        steps = run.settings.training
        self.clip, self.accumulate, self.log_every = steps.clip, steps.accumulate, steps.log_every
        self.average = WeightAverage(steps.ema, self.stack.values) if steps.ema else None
        self.train_terms, self.val_terms = TermSums(), TermSums()
        self.steps = 0  # optimizer steps so far, of each phase
        self._asked: dict[tuple[str, bool, int], Asked] = {}  # draws by phase, training or not, images of a batch
        self._saving: Member | None = None
        self._slices = self._slices_of_members()

    def configure_optimizers(self) -> list[Optimizer]:
        """Return one optimizer per phase for all jobs; the members have the schedules."""
        for member in self.members:
            member.attach(self.trainer, self.save_of)
            member.callback("setup", self, "fit")
        run = self.members[0].run
        own, usual = run.job.own_optimizers, make(run.config["optimizer"])
        return [own.get(phase, usual)(self.stack.parameters_of(phase)) for phase in self.phases]

    def on_train_start(self) -> None:
        """Set up the engine of a single job with the loss, the clipping and the optimizers of all jobs."""
        self._call_back("on_train_start")
        clip = self.clip
        self.engine = Engine(
            loss=partial(self._losses, training=True),
            phases=[self._phase(name, optimizer) for name, optimizer in zip(self.phases, self._optimizers())],
            seed=self.seeds[0],
            rank=self.global_rank,
            images=self.images,
            device=self.stack_device,
            backward=lambda losses: losses.sum().backward(),
            clip=None if clip is None else lambda phase: stacked.clip(phase.param_groups[0]["params"], clip),
            isolate=self.toggle_optimizer,
            release=self.untoggle_optimizer,
            average=self.average,
        )

    def _phase(self, name: str, optimizer: LightningOptimizer) -> Phase:
        per_job = stacked.PerJobRates(optimizer, lambda: [member.rates[name] for member in self.members])
        return Phase(name, per_job, self.stack.parameters_of(name), self.members[0].run.job.repeats(name))

    def on_train_epoch_start(self) -> None:
        """Call this hook of each job's callbacks."""
        self._call_back("on_train_epoch_start")

    def on_validation_start(self) -> None:
        """Call this hook of each job's callbacks."""
        self._call_back("on_validation_start")

    def training_step(self, group: Group, group_idx: int) -> None:
        """Train on several batches in a row."""
        for number, batch in enumerate(group.batches, group.first):
            assert isinstance(batch, StackBatch)
            self._take(batch, Place(self.current_epoch, number, group.epoch_batches, self.accumulate))

    def _take(self, batch: StackBatch, at: Place) -> None:
        self.train_terms.add(self.engine.take(batch.at(self._slices), at), len(batch))
        self.steps = at.steps_after
        for member in self.members if at.last else ():
            if member.settings.scheduler.interval == "step":
                member.move_schedules()
        if at.last and self.steps % self.log_every == 0:
            self._log_recent()

    def validation_step(self, batch: StackBatch, batch_idx: int) -> None:
        """Compute the objective with every schedule at its end, so that epochs are comparable."""
        noise = SeededNoise(self.stack_device, self.seeds[0], "val", batch_idx, self.global_rank)
        forever = torch.full((), float("inf"), device=self.stack_device)
        step = Step(torch.zeros_like(forever), forever, noise, "model", self.images)
        self.val_terms.add({"model": self._losses(batch.at(self._slices), step, training=False)}, len(batch))

    def _losses(self, batch: StackBatch, step: Step, training: bool) -> LossTerms:
        """Return losses and terms [J]. The step has the noise of the first seed; each job draws from its own seed's."""
        assert isinstance(step.noise, SeededNoise)
        _, *key = step.noise.key  # the seed comes first
        kind = (step.phase, training, len(batch))
        if kind not in self._asked:
            noise = SeededNoise(self.stack_device, *step.noise.key)
            self._asked[kind] = self.stack.asked(batch.of(0), step, noise, training)
        noises = [SeededNoise(self.stack_device, seed, *key) for seed in self.seeds]
        of_seeds = [drawn(noise, self._asked[kind]) for noise in noises]
        averaged = self.average.values() if self.average and not training else None
        return self.stack.call(batch, step, self._stacked_draws(of_seeds), training, averaged)

    def _stacked_draws(self, of_seeds: list[list[Tensor]]) -> Draws:
        if len(of_seeds) == 1:
            return [(draw, False) for draw in of_seeds[0]]
        stacked_draws = [torch.stack(draws) for draws in zip(*of_seeds)]
        return [(draws if self._slices is None else draws[self._slices], True) for draws in stacked_draws]

    def _log_recent(self) -> None:
        """Log a point of each job's ``step/…`` curves."""
        means = dict(zip(self.members, self.train_terms.recent(_over_processes)))
        self._drop_diverged([means])
        for member in self.members:
            member.log_point(means[member], self.steps)

    def on_validation_epoch_end(self) -> None:
        """Publish the means of both splits to each job's callbacks, of which the history logs them."""
        train, val = (
            dict(zip(self.members, sums.close(_over_processes))) for sums in (self.train_terms, self.val_terms)
        )
        self._drop_diverged([train, val])
        for member in self.members:
            member.publish({**_under("train", train[member]), **_under("val", val[member])})

    def _drop_diverged(self, splits: list[dict[Member, dict[str, float]]]) -> None:
        """Remove jobs whose loss is NaN or infinite before a checkpoint is written, so that their last one is usable.

        Raises:
            StackEmpty: no job is left.
        """
        for member in self.members:
            reasons = (why_diverged(means[member], self.current_epoch, self.steps) for means in splits)
            member.reason = next((reason for reason in reasons if reason), "")
        failed = [member for member in self.members if member.reason]
        self._remove(failed)
        for member in failed:
            member.fail()
        if not self.members:
            raise StackEmpty

    def on_train_epoch_end(self) -> None:
        """Update histories, schedules and checkpoints; remove the jobs that are finished."""
        writing = self.trainer.strategy.checkpoint_io
        assert isinstance(writing, BackgroundCheckpointIO)
        writing.wait()  # until the checkpoints of the previous epoch are written
        for member in self.members:
            member.close_epoch(self)
        self._remove([member for member in self.members if member.is_through])
        if not self.members:
            self.trainer.should_stop = True

    def save_of(self, member: Member, path: str, weights_only: bool | None) -> None:
        """Save a checkpoint of one job, as if it had been trained alone."""
        self._saving = member
        self.trainer.save_checkpoint(path, weights_only)
        self._saving = None

    def on_save_checkpoint(self, checkpoint: State) -> None:
        """Replace what Lightning saves of the stack by what it would save of the one job."""
        assert self._saving is not None
        place = self.members.index(self._saving)
        checkpoint["state_dict"] = self.stack.state_of(place)
        if self.average:
            checkpoint[AVERAGED] = self.stack.state_of(place, self.average.values())
        self._saving.dump_to(checkpoint, place)

    def on_load_checkpoint(self, checkpoint: State) -> None:
        """Replace the checkpoint of the first job, which the trainer has loaded, by the last ones of all jobs."""
        paths = [to_continue(member.run.run_dir) for member in self.members]
        checkpoints = [torch.load(path, map_location="cpu", weights_only=True) for path in paths if path]
        if len({saved["epoch"] for saved in checkpoints}) > 1 or len(checkpoints) < len(paths):
            raise RuntimeError("the jobs' checkpoints are of different epochs")
        self.stack.load([saved["state_dict"] for saved in checkpoints])
        if self.average:
            averages = [saved.get(AVERAGED, saved["state_dict"]) for saved in checkpoints]
            self.average.load({name: torch.stack([saved[name] for saved in averages]) for name in averages[0]})
        for member, saved in zip(self.members, checkpoints):
            member.load(saved)
        by_phase = zip(*(saved["optimizer_states"] for saved in checkpoints))
        states = [stacked.stacked_state(list(of_phase)) for of_phase in by_phase]
        checkpoint.update(state_dict={}, callbacks={}, lr_schedulers=[], optimizer_states=states)

    def _remove(self, leaving: list[Member]) -> None:
        """Remove jobs from the stack; the training of the others does not change."""
        for member in leaving:
            member.has_left = True
        kept = [place for place, member in enumerate(self.members) if member not in leaving]
        self.members = [self.members[place] for place in kept]
        if leaving and kept:
            places = torch.tensor(kept, device=self.device)
            self.stack.keep(places)
            if self.average:
                self.average.keep(places)
            for optimizer in self.trainer.optimizers:
                stacked.keep(optimizer, places)
            for sums in (self.train_terms, self.val_terms):
                sums.keep(places)
        self._slices = self._slices_of_members()

    def _slices_of_members(self) -> Tensor | None:
        """Return which seed's slice of batches and draws each job takes, long [J]; None if no selection is needed."""
        slices = [self.seeds.index(member.settings.seed) for member in self.members]
        in_order = len(self.seeds) == 1 or slices == list(range(len(self.seeds)))
        return None if in_order else torch.tensor(slices, device=self.stack_device)

    def _call_back(self, hook: str) -> None:
        for member in self.members:
            member.callback(hook, self)

    def _optimizers(self) -> list[LightningOptimizer]:
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]


def _over_processes(x: Tensor) -> Tensor:
    """Return a sum over all processes: a stack trains in a single one."""
    return x


def _under(split: str, means: dict[str, float]) -> dict[str, float]:
    return {f"{split}/{name}": value for name, value in means.items()}
