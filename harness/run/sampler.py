"""The sampler: which setting of a space is tried next. The one place that knows Optuna."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from harness.spaces import Axis, Range, Space, plain_value

optuna.logging.set_verbosity(optuna.logging.WARNING)

VERSION: str = optuna.__version__
SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {
    # Each parameter on its own, so that a default outside the space still tells of the others.
    "tpe": lambda seed: TPESampler(seed=seed, multivariate=False),
    "random": lambda seed: RandomSampler(seed=seed),
}


@dataclass(frozen=True, slots=True)
class Tried:
    """A setting that was tried: name -> value, and what it came to; None where it failed."""

    values: Mapping[str, Any]
    value: float | None


def suggest(kind: str, space: Space, tried: Sequence[Tried], seed: int) -> dict[str, Any]:
    """Return the setting to try next, in JSON values; the best value is the highest.

    It depends on the arguments alone: no state is kept between two calls, so a tuning that was
    killed goes on as it would have. A failed trial counts as worse than all others. The tree-
    structured Parzen estimator ("tpe") draws its first ten settings at random.

    References
    ----------
    Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter Optimization", NeurIPS
    2011, section 4. Akiba et al., "Optuna", KDD 2019.
    """
    distributions = {name: _distribution(axis) for name, axis in space.items()}
    study = optuna.create_study(direction="maximize", sampler=SAMPLERS[kind](seed))
    for one in tried:
        study.add_trial(_frozen(one, space, distributions))
    found = study.ask(distributions).params
    return {name: _value(space[name], found[name]) for name in space}


def _distribution(axis: Axis) -> BaseDistribution:
    if isinstance(axis, tuple):  # by place, as Optuna's categories are plain values
        return CategoricalDistribution(tuple(range(len(axis))))
    if axis.is_whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


def _value(axis: Axis, found: Any) -> Any:
    return plain_value(axis[found]) if isinstance(axis, tuple) else found


def _frozen(one: Tried, space: Space, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """Return what was tried as a trial of Optuna, without values that are not of the space."""
    params = {}
    for name, axis in space.items():
        value = one.values[name]
        if isinstance(axis, Range):
            if axis.low <= value <= axis.high:
                params[name] = value
        elif value in (choices := [plain_value(choice) for choice in axis]):
            params[name] = choices.index(value)
    return create_trial(
        # One that was pruned without a word is the worst of all to the estimator.
        state=TrialState.PRUNED if one.value is None else TrialState.COMPLETE,
        value=one.value,
        params=params,
        distributions={name: distributions[name] for name in params},
    )
