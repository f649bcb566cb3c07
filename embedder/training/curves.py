"""How training went, epoch by epoch."""

import msgspec


class EpochReport(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch: `loss` is the mean of its batches, `terms` that of each objective before its weight, `rate` the last
    learning rate, `measures` what the validation pictures say of the weights that would be kept."""

    epoch: int
    loss: float
    terms: dict[str, float]
    rate: float
    views: int
    train_s: float
    validate_s: float
    measures: dict[str, float]


def best_epoch(curves: list[EpochReport], measure: str) -> int | None:
    """The epoch whose measure is highest, the earliest of equals; None where no epoch has it."""
    having = [one for one in curves if measure in one.measures]
    return max(having, key=lambda one: (one.measures[measure], -one.epoch)).epoch if having else None
