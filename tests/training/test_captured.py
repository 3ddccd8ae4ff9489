"""Tests of captured steps: with a recorder that repeats Python instead of a CUDA graph, numbers are the same."""

import copy
from collections.abc import Callable
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from helpers import random_batch, small_model
from torch import nn

from vae_lab.errors import RunFailed
from vae_lab.likelihoods import Sigma
from vae_lab.objectives.elbo import ELBO
from vae_lab.objectives.factor_vae import FactorVAE
from vae_lab.schedules import Constant, Linear
from vae_lab.training.captured import ORDINARY, Captured, CudaGraph, capturable, plain_settings, why_not
from vae_lab.training.checkpoints import checkpoints
from vae_lab.training.engine import Engine, Phase, Place
from vae_lab.training.job import Job
from vae_lab.training.lit import LitJob
from vae_lab.training.weight_average import WeightAverage, tensors_of
from vae_lab.types import Batch, Group

CPU = torch.device("cpu")
BATCHES = 7
ADAM = partial(torch.optim.Adam, lr=1e-2, fused=True)


class Repeats:
    """Records what a step does, and repeats it without a GPU; like a graph, it does nothing when it records."""

    def __init__(self) -> None:
        self.recorded = self.repeated = 0

    def beside(self, work):
        return work()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        self.recorded += 1

        def again() -> None:
            self.repeated += 1
            work()

        return again


def elbo() -> Job:
    return Job(small_model(Sigma()), ELBO(1, 2, 1, "B", Linear(epochs=3)))


def factor_vae() -> Job:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Job(small_model(), FactorVAE(1, 1, 2.0, 3, 8, 1, 1, Constant(), ADAM, 2))


def engine_of(job: Job, device: torch.device = CPU, make=ADAM) -> Engine:
    optimizers = {name: job.own_optimizers.get(name, make) for name in job.objective.phases}
    phases = [
        Phase(name, optimizers[name](list(job.parameters_of(name))), list(job.parameters_of(name)), job.repeats(name))
        for name in job.objective.phases
    ]

    def isolate(optimizer) -> None:
        kept = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for parameter in job.parameters():
            parameter.requires_grad_(id(parameter) in kept)

    def release(optimizer) -> None:
        for parameter in job.parameters():
            parameter.requires_grad_(True)

    average = WeightAverage(0.9, tensors_of(job))
    return Engine(job, phases, 3, 0, 48, device, torch.Tensor.backward, None, isolate, release, average)


def captured(job: Job, recorder, stepped=lambda optimizer: None, device: torch.device = CPU) -> Captured:
    return Captured(engine_of(job, device), job, 8, stepped, recorder)


def batches(n: int, device: torch.device = CPU) -> list[Batch]:
    sizes = [5 if i % BATCHES == BATCHES - 1 else 8 for i in range(n)]  # the last batch of an epoch is smaller
    made = [random_batch(size, seed=i).x.to(device) for i, size in enumerate(sizes)]
    return [Batch(x, x, None) for x in made]


def places(n: int) -> list[Place]:
    return [Place(i // BATCHES, i % BATCHES, BATCHES, 1) for i in range(n)]


@pytest.mark.parametrize("make_job", [elbo, factor_vae])
def test_repeated_steps_are_those_of_the_engine(make_job):
    plain, fast, recorder = make_job(), make_job(), Repeats()
    ours, engine = captured(fast, recorder), engine_of(plain)
    for batch, at in zip(batches(20), places(20)):
        terms, expected = ours.take(batch, at), engine.take(batch, at)
        for phase, one in expected.items():
            torch.testing.assert_close(terms[phase].loss.detach(), one.loss.detach(), rtol=1e-5, atol=0)
            torch.testing.assert_close(terms[phase].logs, one.logs, rtol=1e-5, atol=0)
    torch.testing.assert_close(fast.state_dict(), plain.state_dict(), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(ours.engine.average.values(), engine.average.values(), rtol=1e-5, atol=1e-7)
    assert recorder.recorded == 1
    assert recorder.repeated == 20 - ORDINARY - 2  # two batches of another size


def test_state_that_a_step_assigns_is_kept_where_the_graph_reads_it():
    job, ours = elbo(), None
    ours = captured(job, Repeats())
    addresses = set()
    for batch, at in zip(batches(12), places(12)):  # one of them is a batch of another size
        before = {name: value.clone() for name, value in job.named_buffers()}
        ours.take(batch, at)
        if at.position >= ORDINARY:
            addresses.add(tuple(buffer.data_ptr() for buffer in job.buffers()))
            assert any(not torch.equal(value, before[name]) for name, value in job.named_buffers())
    assert len(addresses) == 1


def test_terms_of_earlier_steps_are_not_overwritten():
    ours = captured(elbo(), Repeats())
    taken = [ours.take(batch, at)["model"].loss.detach() for batch, at in zip(batches(6), places(6))]
    copies = [loss.clone() for loss in taken]
    ours.take(batches(7)[5], places(7)[5])
    assert torch.equal(torch.stack(taken), torch.stack(copies))
    assert len({float(loss) for loss in taken}) == 6


def test_a_schedule_of_the_learning_rate_reaches_the_graph():
    job = elbo()
    ours = captured(job, Repeats())
    (optimizer,) = ours.optimizers
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0 if step >= 5 else 1.0)
    for batch, at in zip(batches(6), places(6)):
        before = [p.detach().clone() for p in job.parameters()]
        ours.take(batch, at)
        moved = any(not torch.equal(a, b) for a, b in zip(before, job.parameters()))
        assert moved == (at.batch < 5)
        scheduler.step()


def test_steps_are_counted_for_each_phase():
    counted = []
    ours = captured(factor_vae(), Repeats(), counted.append)
    for batch, at in zip(batches(5), places(5)):
        ours.take(batch, at)
    assert counted == [phase.optimizer for phase in ours.engine.phases for _ in range(phase.repeats)] * 2


class Fails(Repeats):
    """A recorder that fails before any work is done, as a capture does that is not permitted."""

    def record(self, work):
        raise RuntimeError("operation not permitted when stream is capturing")


def test_a_typed_graph_that_cannot_be_captured_is_an_error():
    ours = captured(elbo(), Fails())
    for batch, at in zip(batches(ORDINARY), places(ORDINARY)):
        ours.take(batch, at)
    with pytest.raises(RunFailed, match=r"graph=true: this step cannot be captured .*type graph=false"):
        ours.take(batches(4)[3], places(4)[3])


def test_settings_that_cannot_be_captured_are_named():
    cuda, adam = torch.device("cuda"), torch.optim.Adam([nn.Parameter(torch.zeros(1))])
    adagrad = torch.optim.Adagrad([nn.Parameter(torch.zeros(1))])
    assert why_not(cuda, 1, False, 1, [adam]) == ""
    assert "CUDA GPU" in why_not(CPU, 1, False, 1, [adam])
    assert "processes" in why_not(cuda, 2, False, 1, [adam])
    assert "fp16" in why_not(cuda, 1, True, 1, [adam])
    assert "training.accumulate=2" in why_not(cuda, 1, False, 2, [adam])
    assert "Adagrad" in why_not(cuda, 1, False, 1, [adam, adagrad])


def test_a_checkpoint_holds_the_settings_of_an_ordinary_optimizer():
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.Adam([weight], lr=0.5)
    weight.grad = torch.ones(1)
    optimizer.step()
    before = copy.deepcopy(optimizer.state_dict())
    capturable(optimizer, CPU)
    state = optimizer.state_dict()
    assert isinstance(state["param_groups"][0]["lr"], torch.Tensor)
    plain_settings(state)
    assert state["param_groups"] == before["param_groups"]


@pytest.mark.parametrize("make_job", [elbo, factor_vae])
def test_lightning_trains_with_captured_steps_as_without(make_job, tmp_path):
    def trained(folder, capture) -> tuple[Job, pl.Trainer]:
        job = make_job()
        lit = LitJob(job, ADAM, None, "epoch", 53, 3, None, 1, 4, capture=capture)
        trainer = pl.Trainer(
            accelerator="cpu", max_epochs=2, logger=False, callbacks=checkpoints(folder)[1:], default_root_dir=folder,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(lit, _Epochs())
        return job, trainer

    plain, without = trained(tmp_path / "plain", None)
    fast, trainer = trained(tmp_path / "fast", partial(Captured, size=8, recorder=Repeats()))
    torch.testing.assert_close(fast.state_dict(), plain.state_dict(), rtol=1e-5, atol=1e-7)
    assert trainer.global_step == without.global_step
    saved = torch.load(tmp_path / "fast" / "last.ckpt", weights_only=True)
    assert saved["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(1e-2)


class _Epochs:
    """The batches of an epoch as one group."""

    def __len__(self) -> int:
        return 1

    def __iter__(self):
        yield Group(iter(batches(BATCHES)), 0, BATCHES)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("make_job", [elbo, factor_vae])
def test_a_cuda_graph_takes_the_steps_of_the_engine(make_job):
    device = torch.device("cuda")
    plain, fast = make_job().to(device), make_job().to(device)
    ours, engine = captured(fast, CudaGraph(), device=device), engine_of(plain, device)
    for batch, at in zip(batches(30, device), places(30)):
        terms, expected = ours.take(batch, at), engine.take(batch, at)
        for phase, one in expected.items():
            torch.testing.assert_close(terms[phase].loss, one.loss.detach(), rtol=1e-5, atol=0)
    torch.testing.assert_close(fast.state_dict(), plain.state_dict(), rtol=1e-4, atol=1e-6)
