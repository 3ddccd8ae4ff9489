"""Optuna (arXiv:1907.10902) by ask-and-tell: TPE for one score, its multi-objective form for several."""

import json
import math
import warnings
from collections.abc import Generator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt, PositiveInt

from vae_lab.config.varied import Varied
from vae_lab.errors import UserError
from vae_lab.search.space import distributions, words_of
from vae_lab.sweep.jobs import Outcome
from vae_lab.system.extras import need

JOURNAL = "optuna.journal"


class OptunaSearch:
    """Every trial is kept in Optuna's journal in the sweep's folder, so that a search that was killed goes on.

    Numbers are drawn and then rounded to four significant digits. The rounded ones are what is typed for the job and
    what Optuna is told, so both know the same. A trial's draw depends on the seed, its number and the trials before
    it, not on how often the search was interrupted (side by side: on which trials had ended by then, too).

    Args:
        trials: jobs in all, failed ones included.
        minimise: scores that should be low.
        maximise: scores that should be high.
        startup: so many trials are drawn at random.
        seed: of the sampler.
    """

    def __init__(
        self,
        trials: PositiveInt = 20,
        minimise: Sequence[str] = ("test/fid",),
        maximise: Sequence[str] = (),
        startup: PositiveInt = 10,
        seed: NonNegativeInt = 0,
    ) -> None:
        self.aims = [*((score, "min") for score in minimise), *((score, "max") for score in maximise)]
        self.trials, self.startup, self.seed = trials, startup, seed
        self.done = 0
        self._study: Any = None

    def plan(self, varied: Sequence[Varied]) -> tuple[int, list[list[str]]]:
        """The number of trials; what they are is known when they are drawn.

        Raises:
            UserError: Optuna is missing, or there is nothing to search or to aim at.
        """
        need("optuna", "search=optuna", "optuna")
        names = [score for score, _ in self.aims]
        if not names:
            raise UserError("search=optuna has no aim; type search.minimise=[test/fid] or search.maximise=[test/elbo]")
        if len(set(names)) < len(names):
            raise UserError(f"search=optuna: {', '.join(names)}: name each score once, to minimise or to maximise")
        distributions(varied)
        return self.trials, []

    def __call__(
        self, varied: Sequence[Varied], folder: Path, at_once: int
    ) -> Generator[list[list[str]], dict[int, Outcome], None]:
        """As many trials at a time as run side by side; first those that an earlier start left or that failed."""
        space = distributions(varied)
        self._study = self._open(folder, space)
        waiting = self._left_over(space)
        while True:
            new = self.trials - sum("again" not in trial.user_attrs for trial in self._study.get_trials(deepcopy=False))
            batch, waiting = waiting[:at_once], waiting[at_once:]
            batch += [self._draw(space) for _ in range(min(new, at_once - len(batch)))]
            if not batch:
                return
            outcomes = yield [words_of(trial.params, space) for trial in batch]
            for place, outcome in outcomes.items():
                self._tell(batch[place], outcome)

    def report(self) -> Any:
        """The best trials as a table."""
        from vae_lab.search.best import table

        return table(self._study, self.aims) if self._study else None

    def _open(self, folder: Path, space: dict[str, Any]) -> Any:
        """The study of this space and these aims; a folder may hold several, of spaces that were changed since."""
        from optuna import create_study, logging
        from optuna.distributions import distribution_to_json
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        logging.set_verbosity(logging.ERROR)
        _mend(folder / JOURNAL)
        told = {key: distribution_to_json(one) for key, one in space.items()}
        name = sha256(json.dumps([told, self.aims, self.startup, self.seed], sort_keys=True).encode()).hexdigest()[:12]
        storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
        return create_study(storage=storage, study_name=name, directions=self._directions(), load_if_exists=True)

    def _directions(self) -> list[Any]:
        return [f"{way}imize" for _, way in self.aims]

    def _left_over(self, space: dict[str, Any]) -> list[Any]:
        """Trials of an earlier start that were under way, and failed ones anew."""
        from optuna import Trial
        from optuna.trial import TrialState

        trials = self._study.get_trials(deepcopy=False)
        left = [Trial(self._study, trial._trial_id) for trial in trials if trial.state == TrialState.RUNNING]
        left += [self._study.ask(space) for trial in trials if trial.state == TrialState.WAITING]
        self.done = sum(trial.state == TrialState.COMPLETE and "again" not in trial.user_attrs for trial in trials)
        tried_again = [trial.params for trial in trials if trial.state != TrialState.FAIL]
        for trial in trials:
            if trial.state == TrialState.FAIL and trial.params not in tried_again:
                tried_again.append(trial.params)
                left.append(self._enqueue(trial.params, space, again=True))
        return left

    def _draw(self, space: dict[str, Any]) -> Any:
        """One trial, drawn in a copy in memory and put into the journal with rounded numbers."""
        from optuna import create_study
        from optuna.samplers import TPESampler

        known = self._study.get_trials(deepcopy=False)
        seed = int.from_bytes(sha256(f"{self.seed} {len(known)}".encode()).digest()[:4])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TPE's constant_liar calls itself experimental
            sampler = TPESampler(n_startup_trials=self.startup, seed=seed, constant_liar=True)
        copy = create_study(sampler=sampler, directions=self._directions())
        copy.add_trials(known)
        drawn = copy.ask(space).params
        return self._enqueue({key: _rounded(value, space[key]) for key, value in drawn.items()}, space)

    def _enqueue(self, params: dict[str, Any], space: dict[str, Any], again: bool = False) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._study.enqueue_trial(params, user_attrs={"again": True} if again else None)
        return self._study.ask(space)

    def _tell(self, trial: Any, outcome: Outcome) -> None:
        from optuna.trial import TrialState

        values = [outcome.scores.get(score) for score, _ in self.aims]
        missing = [score for (score, _), value in zip(self.aims, values) if value is None]
        if outcome.status == "finished" and missing:
            there = ", ".join(sorted(outcome.scores)) or "none; metrics=fast computes some"
            raise UserError(f"search=optuna: {outcome.name} gave no {missing[0]} to search by; scores there: {there}")
        if outcome.status != "finished" or not all(math.isfinite(value or 0) for value in values):
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, values)


def _rounded(value: Any, distribution: Any) -> Any:
    """Four significant digits, within the bounds."""
    if not isinstance(value, float):
        return value
    return min(max(float(f"{value:.4g}"), distribution.low), distribution.high)


def _mend(journal: Path) -> None:
    """Cut off a last line that a kill left unfinished; Optuna could not read what is written after it."""
    if journal.is_file() and not (text := journal.read_bytes()).endswith(b"\n") and text:
        journal.write_bytes(text[: text.rfind(b"\n") + 1])
