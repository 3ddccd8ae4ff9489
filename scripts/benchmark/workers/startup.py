"""Measure the parts of the time from the start of ``vae-lab train …`` to the end of its first step.

Imports and functions are wrapped with a clock while the program imports them, so the program runs in its usual order.
The time of a listed import or function does not count for the one that encloses it.
"""

import importlib.util
import json
import os
import sys
import tempfile
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from startup_clock import Clock

IMPORTS = {
    "torch": "import torch",
    "torchvision": "import torchvision",
    "pytorch_lightning": "import Lightning and torchmetrics",
    "hydra": "import Hydra",
    "wandb": "import wandb",
    "vae_lab.config.schema": "import pydantic and the schema",
    "vae_lab.commands.train": "import the rest of vae-lab and of libraries",
}
CALLS = {
    ("vae_lab.runs.preparing", "make_data"): "read the images",
    ("vae_lab.runs.preparing", "make_job"): "make the networks",
    ("vae_lab.runs.preparing", "_try_objective"): "try the objective once",
    ("vae_lab.report.loggers", "wandb_logger"): "start W&B",
    ("vae_lab.commands.train", "_trainer_fit"): "Lightning, to the end of the first step",
    ("vae_lab.commands.train", "train"): "the rest of preparing the run",
}


class TimedImports(MetaPathFinder):
    """Measures the time of listed imports, and wraps the listed functions of imported modules with the clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.wanted = {*IMPORTS, *(module for module, _ in CALLS), "torch.optim.optimizer"}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return the spec that the other finders find, with its loader wrapped."""
        if name not in self.wanted:
            return None
        self.wanted.remove(name)  # otherwise find_spec below would call this method again
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            self._wrap(name, spec.loader)
        return spec

    def _wrap(self, name: str, loader: Any) -> None:
        load = loader.exec_module

        def timed(module: Any) -> None:
            (self.clock.timed(IMPORTS[name], load) if name in IMPORTS else load)(module)
            for (owner, attribute), label in CALLS.items():
                if owner == name and hasattr(module, attribute):
                    setattr(module, attribute, self.clock.timed(label, getattr(module, attribute)))
            if name == "torch.optim.optimizer":
                module.register_optimizer_step_post_hook(lambda *_: self.clock.running and self.clock.stop())

        loader.exec_module = timed


def main() -> None:
    """Run the program with the clock and write the measurements."""
    clock = Clock("start the interpreter", float(os.environ["BENCHMARK_STARTED"]))
    clock.enter("compose the config")
    sys.meta_path.insert(0, TimedImports(clock))
    words, result_file = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["words"], Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sys.argv = ["vae-lab", *words]
        from vae_lab.cli import main as vae_lab

        try:
            vae_lab()
        except SystemExit as end:
            if end.code:
                raise
        os.chdir("/")
    result_file.write_text(json.dumps({"seconds": clock.seconds, "stopped": not clock.running}), encoding="utf-8")


if __name__ == "__main__":
    main()
