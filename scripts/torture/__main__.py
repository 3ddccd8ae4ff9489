"""Kill commands of vae-lab at random moments, and check that nothing is lost: `make torture`, or

    python scripts/torture --minutes 20 --seed 0          # as many kills as fit into twenty minutes of one core
    python scripts/torture --seed 0 --only 17             # repeat one trial, of which the folder is kept
    python scripts/torture --commands train "sweep, *" --folders /tmp /mnt/nfs

A trial starts a command in a new folder and kills it (SIGKILL) before or shortly after a random change of a file, or at
a random time. Then every file must be complete or absent. The same command, or `train resume=`, which may be killed in
its turn, must finish the work: nothing is refused, no temporary file is left, and all numbers are equal to those of an
undisturbed command. All this is done on one file system, and on two with the temporary folder on the other one.

torch and the other libraries are imported once, and each command is a fork of this process, which therefore carries out
no operation of torch. The exit status is 1 if a trial failed; its seed and number repeat it.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from random import Random

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"  # also, a library that has threads could not be forked

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402
from rich.table import Table  # noqa: E402
from torture import contract  # noqa: E402
from torture.commands import COMMANDS, Command, order  # noqa: E402
from torture.killing import Ended, random_moment, run  # noqa: E402

console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
LIMIT = 300.0  # seconds after which a command counts as hanging


@dataclass(frozen=True)
class Place:
    """Where runs are written, and where the temporary folder of the system is."""

    name: str
    runs: Path
    tmpdir: Path


class Torture:
    """Carries out trials, and counts them.

    Args:
        seed: seed of all moments.
        commands: the commands to kill.
        places: the folders to do it in.
    """

    def __init__(self, seed: int, commands: list[Command], places: list[Place]) -> None:
        self.seed, self.commands, self.places = seed, commands, places
        self.kills, self.failed = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        self.failures: list[str] = []
        self.undisturbed: dict[str, Ended] = {}

    def prepare(self, command: Command) -> None:
        """Carry out a command without a kill, for its duration, its result and the commands that need it."""
        first, *others = self.places
        folder = self._new(command, first, "undisturbed")
        ended = run(command.words, folder, first.tmpdir, LIMIT)
        if ended.status != 0:
            sys.exit(f"{command.name} fails without a kill, with status {ended.status}:\n{ended.output}")
        self.undisturbed[command.name] = ended
        for place in others:
            shutil.copytree(folder, self._path(command, place, "undisturbed"))

    def trial(self, number: int) -> None:
        """Kill one command, finish its work, and check it."""
        random = Random(f"{self.seed}-{number}")
        rounds, index = divmod(number, len(self.commands))
        command = self.commands[index]
        place = self.places[rounds // command.every % len(self.places)]
        if rounds % command.every:
            return
        folder = self._new(command, place, str(number))
        problems, story = self._carry_out(command, place, folder, random)
        if problems:
            self.failed[command.name, place.name] += 1
            self.failures.append(
                f"--seed {self.seed} --only {number}: {command.name}, {place.name}: {'; '.join(story)}: "
                f"{'; '.join(problems)} (see {folder})"
            )
            console.print(self.failures[-1], style="red", markup=False, soft_wrap=True)
        else:
            shutil.rmtree(folder)

    def _carry_out(self, command: Command, place: Place, folder: Path, random: Random) -> tuple[list[str], list[str]]:
        """Return what is wrong, and what was done."""
        usual = self.undisturbed[command.name]
        words, story = command.words, list[str]()
        for attempt in range(3):
            moment = random_moment(random, usual.seconds, usual.events, command.starts_others)
            ended = run(words, folder, place.tmpdir, LIMIT, moment)
            name = "resume" if words[-1].startswith("resume=") else command.name
            story.append(f"{name} {'killed' if ended.status is None else 'ended'} ({moment})")
            if ended.status not in (None, 0):
                return [_told(ended)], story
            self.kills[name, place.name] += ended.status is None
            problems = contract.incomplete(folder)
            if problems:
                return problems, story
            if ended.status == 0 or command.is_done(folder):
                return self._finished(command, place, folder, ended), story
            words = command.again(folder)
            if attempt == 0 and random.random() < 0.5:
                break
        ended = run(words, folder, place.tmpdir, LIMIT)
        if ended.status != 0:
            return [_told(ended)], story
        return self._finished(command, place, folder, ended), story

    def _finished(self, command: Command, place: Place, folder: Path, ended: Ended) -> list[str]:
        """Return what is wrong with a folder in which everything has been done."""
        there = self._path(command, place, "undisturbed")
        left = contract.leftovers(folder) if ended.status == 0 else []
        return [*contract.incomplete(folder), *left, *contract.differences(folder, there)]

    def _new(self, command: Command, place: Place, trial: str) -> Path:
        """Return the folder of a new trial, with what the command needs."""
        folder = self._path(command, place, trial)
        if command.needs:
            needed = next(other for other in COMMANDS if other.name == command.needs)
            shutil.copytree(self._path(needed, place, "undisturbed"), folder)
        else:
            folder.mkdir(parents=True)
        return folder

    def _path(self, command: Command, place: Place, trial: str) -> Path:
        return place.runs / "".join(c if c.isalnum() else "_" for c in command.name) / trial

    def table(self) -> Table:
        """Return the counts of kills, and of trials that failed."""
        table = Table("killed command", *(place.name for place in self.places), "sum", title="kills (failed)")
        names = sorted({name for name, _ in self.kills})
        for name in [*names, "sum"]:
            counts = []
            for place in [*(p.name for p in self.places), "sum"]:
                cells = [(n, p) for n in names for p in (q.name for q in self.places)
                         if name in (n, "sum") and place in (p, "sum")]  # fmt: skip
                failed = sum(self.failed[cell] for cell in cells)
                counts.append(f"{sum(self.kills[cell] for cell in cells)}{f' ({failed})' if failed else ''}")
            table.add_row(name, *counts)
        return table


def _told(ended: Ended) -> str:
    lines = [line for line in ended.output.strip().splitlines() if line.strip()]
    what = "hung" if ended.hung else f"ended with status {ended.status}"
    return f"the command {what}: {' / '.join(lines[-3:])}"


def _places(folders: list[Path], root: str) -> list[Place]:
    """One place for each folder, and if there are two, each with the temporary folder in the other one."""
    made = {folder: Path(tempfile.mkdtemp(prefix=root, dir=folder)) for folder in folders}
    places = []
    for folder, path in made.items():
        for other, tmp in made.items():
            (tmp / "tmp").mkdir(exist_ok=True)
            name = f"{folder}" if folder == other else f"{folder}, TMPDIR on {other}"
            if folder == folders[0] or folder != other:
                places.append(Place(name, path / ("same" if folder == other else "two"), tmp / "tmp"))
    return places


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long to go on; default: 20")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments; default: 0")
    parser.add_argument("--only", type=int, help="carry out the trial of this number alone, and keep its folder")
    parser.add_argument("--commands", nargs="+", default=["*"], metavar="NAME", help='e.g. train "sweep, *"')
    parser.add_argument(
        "--folders", nargs="+", type=Path, metavar="FOLDER",
        help="one or two folders, on one or two file systems; default: that of temporary files, and /dev/shm",
    )  # fmt: skip
    return parser.parse_args()


def _import_everything() -> None:
    """Import the libraries of all commands, so that each fork has them."""
    import matplotlib.figure  # noqa: F401
    import plotly.graph_objects  # noqa: F401
    import sklearn.mixture  # noqa: F401

    import vae_lab.cli
    import vae_lab.commands.evaluate
    import vae_lab.commands.sample
    import vae_lab.commands.score
    import vae_lab.commands.train
    import vae_lab.compare.comparison
    import vae_lab.figures.draw_plot
    import vae_lab.figures.samples
    import vae_lab.stack.fit
    import vae_lab.sweep.start  # noqa: F401


def main() -> None:
    """Carry out trials until the time is over, print the table, and exit with status 1 if one failed."""
    arguments = _arguments()
    shared = Path("/dev/shm")
    folders = arguments.folders or [Path(tempfile.gettempdir()), *([shared] if os.access(shared, os.W_OK) else [])]
    chosen = [c for c in COMMANDS if any(fnmatch(c.name, pattern) for pattern in arguments.commands)]
    if not chosen:
        sys.exit(f"--commands {' '.join(arguments.commands)}: no such command; {', '.join(c.name for c in COMMANDS)}")
    _import_everything()
    places = _places([folder.absolute() for folder in folders[:2]], "vae-lab-torture-")
    torture = Torture(arguments.seed, chosen, places)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, with the table
    with suppress(KeyboardInterrupt):
        _go_through(torture, arguments)
    console.print(torture.table())
    if not torture.failures and arguments.only is None:
        for place in places:
            shutil.rmtree(place.runs.parent, ignore_errors=True)
    for failure in torture.failures:
        console.print(failure, style="red", markup=False, soft_wrap=True)
    console.print(f"{sum(torture.kills.values())} kills, {len(torture.failures)} failed, seed {torture.seed}")
    sys.exit(1 if torture.failures else 0)


def _go_through(torture: Torture, arguments: argparse.Namespace) -> None:
    commands, seconds = order(torture.commands.__contains__), arguments.minutes * 60
    # Without its own thread (auto_refresh), since a process with threads cannot safely be forked.
    columns = (*Progress.get_default_columns(), "{task.fields[kills]} kills, {task.fields[failed]} failed")
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        task = progress.add_task("commands without a kill", total=len(commands), kills=0, failed=0)
        for command in commands:
            torture.prepare(command)
            progress.update(task, advance=1, refresh=True)
        progress.reset(task, description="kills", total=seconds)
        started, number = time.monotonic(), 0
        if arguments.only is not None:
            torture.trial(arguments.only)
            return
        while (passed := time.monotonic() - started) < seconds:
            torture.trial(number)
            number += 1
            kills, failed = sum(torture.kills.values()), len(torture.failures)
            progress.update(task, completed=passed, kills=kills, failed=failed, refresh=True)
            if not console.is_terminal and number % 50 == 0:
                console.print(f"{passed / 60:.0f} of {arguments.minutes:.0f} minutes: {kills} kills, {failed} failed")


if __name__ == "__main__":
    main()
