"""``launcher=ray``: runs jobs on Ray (arXiv:1712.05889)."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from pydantic import NonNegativeFloat, PositiveInt

from vae_lab.errors import UserError
from vae_lab.launchers.joblib import KILLED, cores
from vae_lab.sweep.jobs import Outcome, SweepJob, Work
from vae_lab.system.extras import need


class Ray:
    """Runs each job as a Ray task, on a node that Ray chooses. If a process dies, only its job fails.

    The run folders must lie on a file system that all nodes share. A local Ray, and the jobs on it, end with the sweep.

    Args:
        address: address of a Ray cluster; null: start a local Ray on this machine.
        cpus: CPUs per job, which is also the largest number of threads of a job.
        gpus: GPUs per job.
    """

    def __init__(self, address: str | None = None, cpus: PositiveInt = 2, gpus: NonNegativeFloat = 0) -> None:
        self.address, self.cpus, self.gpus = address, cpus, gpus

    def side_by_side(self) -> int:
        """Return the number of jobs for which the CPUs and GPUs suffice.

        Raises:
            UserError: Ray is missing or cannot be reached, or a job needs more than Ray has.
        """
        ray = need("ray", "launcher=ray", "ray")
        if self.address:
            self._connect(ray)
            available = ray.cluster_resources()
        else:
            import torch

            available = {"CPU": cores(), "GPU": torch.cuda.device_count()}
        for kind, asked in (("CPU", self.cpus), ("GPU", self.gpus)):
            if asked > available.get(kind, 0):
                word = f"launcher.{kind.lower()}s"
                raise UserError(f"{word}={asked:g}: Ray has {available.get(kind, 0):g}; type {word}=<at most that>")
        slots = [available[kind] / asked for kind, asked in (("CPU", self.cpus), ("GPU", self.gpus)) if asked]
        return int(min(slots))

    def __call__(self, work: Work, jobs: Sequence[SweepJob], folder: Path) -> Iterator[tuple[SweepJob, Outcome | str]]:
        """Yield jobs as they end."""
        ray = need("ray", "launcher=ray", "ray")
        self._connect(ray)
        task = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)(_at).options(name=folder.name)
        try:
            under_way = {task.remote(work, job, os.getcwd()): job for job in jobs}
            while under_way:
                ended, _ = ray.wait(list(under_way), timeout=1.0)
                for result in ended:
                    yield under_way.pop(result), _outcome(ray, result)
        finally:
            for result in under_way:
                ray.cancel(result, force=not self.address)
            ray.shutdown()

    def _connect(self, ray: ModuleType) -> None:
        asked = os.environ.get("OMP_NUM_THREADS", "")
        count = min(int(asked), self.cpus) if asked.isdigit() else self.cpus
        threads = {name: str(count) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
        local = {} if self.address else {"num_cpus": cores(), "include_dashboard": False}
        # Without this, Ray warns that 0 will become the default.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            ray.init(self.address, runtime_env={"env_vars": {**passed, **threads}}, log_to_driver=False,
                     logging_level=logging.CRITICAL, ignore_reinit_error=True, **local)  # fmt: skip
        except (ConnectionError, ValueError, RuntimeError) as why:
            reason = " ".join(str(why).split())[:120]
            raise UserError(f"launcher.address={self.address}: cannot connect to a Ray cluster ({reason}); "
                            "type launcher.address=null to start a local Ray") from why  # fmt: skip


_PASSED = ("PYTHONPATH", "VAE_LAB_DATA", "VAE_LAB_CACHE", "VAE_LAB_TRACE", "WANDB_API_KEY", "WANDB_MODE")


def _at(work: Work, job: SweepJob, folder: str) -> Outcome:
    """Carry out a job from the folder where the sweep was started: the run folders' paths are relative to it."""
    os.chdir(folder)
    return work(job)


def _outcome(ray: ModuleType, result: object) -> Outcome | str:
    """Return the outcome behind a reference to a task's result or, if the task was lost, the reason."""
    try:
        outcome: Outcome = ray.get(result)
        return outcome
    except ray.exceptions.WorkerCrashedError:
        return KILLED
    except ray.exceptions.RayError as why:  # the failure of a job itself is returned, not raised
        said = " ".join(str(why).split()).partition(". ")[0]
        return f"Ray lost the job ({type(why).__name__}: {said[:120]})"
