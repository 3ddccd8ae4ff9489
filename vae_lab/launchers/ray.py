"""Jobs on Ray (arXiv:1712.05889)."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import NonNegativeFloat, PositiveInt

from vae_lab.errors import UserError
from vae_lab.launchers.joblib import cores
from vae_lab.sweep.jobs import Outcome, SweepJob, Work
from vae_lab.system.extras import need


class Ray:
    """One job per Ray task; Ray decides where. A process that dies is told as its job's failure; the others go on.

    Folders must lie on a file system that all nodes share. A local Ray ends with the sweep, and with it its jobs.

    Args:
        address: of a cluster; null: started on this machine.
        cpus: per job, and its threads at most.
        gpus: per job.
    """

    def __init__(self, address: str | None = None, cpus: PositiveInt = 2, gpus: NonNegativeFloat = 0) -> None:
        self.address, self.cpus, self.gpus = address, cpus, gpus

    def side_by_side(self) -> int:
        """As many as the cores and GPUs suffice for.

        Raises:
            UserError: Ray is missing or not to be reached, or a job asks for more than there is.
        """
        ray = need("ray", "launcher=ray", "ray")
        if self.address:
            self._connect(ray)
            there = ray.cluster_resources()
        else:
            import torch

            there = {"CPU": cores(), "GPU": torch.cuda.device_count()}
        for kind, asked in (("CPU", self.cpus), ("GPU", self.gpus)):
            if asked > there.get(kind, 0):
                word = f"launcher.{kind.lower()}s"
                raise UserError(f"{word}={asked:g}: Ray has {there.get(kind, 0):g}; type {word}=<that or less>")
        slots = [there[kind] / asked for kind, asked in (("CPU", self.cpus), ("GPU", self.gpus)) if asked]
        return int(min(slots))

    def __call__(self, work: Work, jobs: Sequence[SweepJob], folder: Path) -> Iterator[tuple[SweepJob, Outcome | str]]:
        """As they end."""
        ray = need("ray", "launcher=ray", "ray")
        self._connect(ray)
        task = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)(_at).options(name=folder.name)
        try:
            under_way = {task.remote(work, job, os.getcwd()): job for job in jobs}
            while under_way:
                ended, _ = ray.wait(list(under_way), timeout=1.0)
                for one in ended:
                    yield under_way.pop(one), _outcome(ray, one)
        finally:
            for one in under_way:
                ray.cancel(one, force=not self.address)
            ray.shutdown()

    def _connect(self, ray: Any) -> None:
        asked = os.environ.get("OMP_NUM_THREADS", "")
        count = min(int(asked), self.cpus) if asked.isdigit() else self.cpus
        threads = {name: str(count) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
        local = {} if self.address else {"num_cpus": cores(), "include_dashboard": False}
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray says that this will be its default
        try:
            ray.init(self.address, runtime_env={"env_vars": {**passed, **threads}}, log_to_driver=False,
                     logging_level=logging.CRITICAL, ignore_reinit_error=True, **local)  # fmt: skip
        except (ConnectionError, ValueError, RuntimeError) as why:
            raise UserError(f"launcher.address={self.address}: no Ray there ({' '.join(str(why).split())[:120]}); "
                            "type launcher.address=null for a local one") from why  # fmt: skip


_PASSED = ("PYTHONPATH", "VAE_LAB_DATA", "VAE_LAB_CACHE", "VAE_LAB_TRACE", "WANDB_API_KEY", "WANDB_MODE")


def _at(work: Work, job: SweepJob, folder: str) -> Outcome:
    """Where the sweep was started: folders of runs are named from there."""
    os.chdir(folder)
    return work(job)


def _outcome(ray: Any, one: Any) -> Outcome | str:
    try:
        return ray.get(one)
    except ray.exceptions.WorkerCrashedError:
        return "its process was killed, most likely for want of memory"
    except ray.exceptions.RayError as why:  # the work itself returns its failures
        said = " ".join(str(why).split()).partition(". ")[0]
        return f"Ray lost it ({type(why).__name__}: {said[:120]})"
