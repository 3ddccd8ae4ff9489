"""``search=optuna``: Optuna (arXiv:1907.10902) by ask-and-tell, with TPE for one score or for several."""

import json
import math
import os
import warnings
from collections.abc import Generator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeInt, PositiveInt

from vae_lab.config.varied import Varied
from vae_lab.errors import UserError
from vae_lab.search.space import distributions, words_of
from vae_lab.sweep.jobs import Outcome
from vae_lab.system.extras import need
from vae_lab.system.reading import Damaged, damaged, read_bytes

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial
    from rich.table import Table

    Space = dict[str, BaseDistribution]

JOURNAL = "optuna.journal"
DEFAULT = "val/elbo"  # is maximised unless another score is named
_AGAIN = "again"  # attribute of a trial that repeats a failed one, and so is not a further trial of the search


class OptunaSearch:
    """Searches with Optuna. Every trial is kept in a journal in the sweep's folder, so that a search can be resumed.

    Floats are drawn and then rounded to four significant digits. The rounded values are used both for the job's words
    and in Optuna's journal. The draw of a trial depends on the seed, its number and the trials before it, but not on
    how often the search was interrupted. With jobs side by side, it also depends on which trials had ended by then.

    Args:
        trials: number of jobs, including those that fail.
        minimise: scores to minimise, as ``val/fid``.
        maximise: scores to maximise; without any score, ``val/elbo`` is maximised.
        startup: number of trials that are drawn at random before the sampler learns from the results.
        seed: seed of the sampler.
        on_test: allow scores of the test set. The test scores of the trial that such a search finds are too good, since
            the trial was chosen by them.
    """

    def __init__(
        self,
        trials: PositiveInt = 20,
        minimise: Sequence[str] = (),
        maximise: Sequence[str] = (),
        startup: PositiveInt = 10,
        seed: NonNegativeInt = 0,
        on_test: bool = False,
    ) -> None:
        maximise = maximise or ([] if minimise else [DEFAULT])
        self.aims = [*((score, "min") for score in minimise), *((score, "max") for score in maximise)]
        self.trials, self.startup, self.seed, self.on_test = trials, startup, seed, on_test
        self.done = 0
        self._study: Study | None = None

    def plan(self, varied: Sequence[Varied]) -> tuple[int, list[list[str]]]:
        """Return the number of trials; their words are known only when they are drawn.

        Raises:
            UserError: Optuna is missing, a score to optimise is of the test set, or the varied keys cannot be searched.
        """
        need("optuna", "search=optuna", "optuna")
        names = [score for score, _ in self.aims]
        of_test = [score for score in names if score.startswith("test/")]
        if of_test and not self.on_test:
            raise UserError(
                f"search=optuna: {of_test[0]} is a score of the test set, and the best of many trials by it looks too "
                f"good; type val/{of_test[0].removeprefix('test/')}, or search.on_test=true to select on test scores"
            )
        if len(set(names)) < len(names):
            raise UserError(f"search=optuna: {', '.join(names)}: name each score once, to minimise or to maximise")
        distributions(varied)
        return self.trials, []

    def __call__(
        self, varied: Sequence[Varied], folder: Path, at_once: int
    ) -> Generator[list[list[str]], dict[int, Outcome], None]:
        """Yield batches of as many trials as run side by side; trials that an earlier invocation left come first."""
        space = distributions(varied)
        self._study = study = self._open(folder, space)
        waiting = self._left_over(study, space)
        while True:
            new = self.trials - sum(_AGAIN not in trial.user_attrs for trial in study.get_trials(deepcopy=False))
            batch, waiting = waiting[:at_once], waiting[at_once:]
            batch += [self._draw(study, space) for _ in range(min(new, at_once - len(batch)))]
            if not batch:
                return
            outcomes = yield [words_of(trial.params, space) for trial in batch]
            for place, outcome in outcomes.items():
                self._tell(study, batch[place], outcome)

    def report(self) -> "Table | None":
        """Return the best trials as a table; None if no trial is complete."""
        from vae_lab.search.best import table

        return table(self._study, self.aims) if self._study else None

    def _open(self, folder: Path, space: "Space") -> "Study":
        """Open the study of this space and these aims. The journal holds several studies if the space has changed."""
        from optuna import create_study, logging
        from optuna.distributions import distribution_to_json
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        logging.set_verbosity(logging.ERROR)
        keys = {key: distribution_to_json(distribution) for key, distribution in space.items()}
        name = sha256(json.dumps([keys, self.aims, self.startup, self.seed], sort_keys=True).encode()).hexdigest()[:12]
        journal = folder / JOURNAL
        try:
            _mend(journal)
            storage = JournalStorage(JournalFileBackend(str(journal)))
            study = create_study(storage=storage, study_name=name, directions=self._directions(), load_if_exists=True)
            trials = study.get_trials(deepcopy=False)
            create_study(directions=self._directions()).add_trials(trials)  # checks the trials
            if any(
                trial.params.keys() - space or (trial.values and len(trial.params) < len(space)) for trial in trials
            ):
                raise ValueError("a trial has other parameters")
            return study
        except Exception as why:  # Optuna reads the journal without checking it
            error = why if isinstance(why, Damaged) else damaged(journal, f"{type(why).__name__}: {why}")
            advice = "remove it to begin the search again; jobs that are finished are not repeated"
            raise error.advised(advice) from why

    def _directions(self) -> list[Literal["minimize", "maximize"]]:
        return ["minimize" if way == "min" else "maximize" for _, way in self.aims]

    def _left_over(self, study: "Study", space: "Space") -> "list[Trial]":
        """Return the trials that were running or waiting in an earlier invocation, and failed trials to repeat."""
        from optuna.trial import TrialState

        trials = study.get_trials(deepcopy=False)
        left = [_resumed(study, trial) for trial in trials if trial.state == TrialState.RUNNING]
        left += [study.ask(space) for trial in trials if trial.state == TrialState.WAITING]
        self.done = sum(trial.state == TrialState.COMPLETE and _AGAIN not in trial.user_attrs for trial in trials)
        tried_again = [trial.params for trial in trials if trial.state != TrialState.FAIL]
        for trial in trials:
            if trial.state == TrialState.FAIL and trial.params not in tried_again:
                tried_again.append(trial.params)
                left.append(self._enqueue(study, trial.params, space, again=True))
        return left

    def _draw(self, study: "Study", space: "Space") -> "Trial":
        """Draw one trial in a copy of the study in memory, and add it to the journal with rounded values."""
        from optuna import create_study
        from optuna.samplers import TPESampler

        known = study.get_trials(deepcopy=False)
        seed = int.from_bytes(sha256(f"{self.seed} {len(known)}".encode()).digest()[:4])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna warns that TPE's constant_liar is experimental
            sampler = TPESampler(n_startup_trials=self.startup, seed=seed, constant_liar=True)
        copy = create_study(sampler=sampler, directions=self._directions())
        copy.add_trials(known)
        drawn = copy.ask(space).params
        return self._enqueue(study, {key: _rounded(value, space[key]) for key, value in drawn.items()}, space)

    def _enqueue(self, study: "Study", params: Mapping[str, object], space: "Space", again: bool = False) -> "Trial":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study.enqueue_trial(dict(params), user_attrs={_AGAIN: True} if again else None)
        return study.ask(space)

    def _tell(self, study: "Study", trial: "Trial", outcome: Outcome) -> None:
        """Report a job's outcome to Optuna; a job without finite scores counts as failed.

        Raises:
            UserError: the job finished without one of the scores to optimise.
        """
        from optuna.trial import TrialState

        values = [outcome.scores[score] for score, _ in self.aims if score in outcome.scores]
        missing = [score for score, _ in self.aims if score not in outcome.scores]
        if outcome.status == "finished" and missing:
            available = ", ".join(sorted(outcome.scores)) or "none; type metrics=fast to compute some"
            raise UserError(
                f"search=optuna: {outcome.name} has no score {missing[0]} to optimise; its scores: {available}"
            )
        if outcome.status != "finished" or not all(map(math.isfinite, values)):
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, values)


def _resumed(study: "Study", trial: "FrozenTrial") -> "Trial":
    """Return a trial of an earlier invocation as one whose outcome can be reported.

    Optuna has no public way to continue a running trial. ``Trial`` takes the trial's number in the storage, which has
    no public name; it differs from ``trial.number``, the number in the study, if the journal holds several studies.
    """
    from optuna import Trial

    return Trial(study, trial._trial_id)


def _rounded(value: object, distribution: "BaseDistribution") -> object:
    """Round a float to four significant digits, within the distribution's bounds; return other values unchanged."""
    from optuna.distributions import FloatDistribution

    if not isinstance(value, float) or not isinstance(distribution, FloatDistribution):
        return value
    return min(max(float(f"{value:.4g}"), distribution.low), distribution.high)


def _mend(journal: Path) -> None:
    """Remove what a killed process has left: a last line that is not complete, and the lock of the journal.

    Optuna could not read any line after the incomplete one, and would wait for the lock for ever. No other process uses
    the journal, since the sweep has locked its folder.

    Raises:
        Damaged: the file cannot be read, or another line is not a JSON mapping.
    """
    for lock in journal.parent.glob(f"{journal.name}.lock*"):
        lock.unlink(missing_ok=True)
    if not journal.exists() and not journal.is_symlink():
        return
    content = read_bytes(journal)
    whole = content[: content.rfind(b"\n") + 1]
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            dict(json.loads(line))
        except (ValueError, TypeError, RecursionError) as why:
            raise damaged(journal, f"line {number}: {why}") from why
    if whole != content:
        os.truncate(journal, len(whole))
