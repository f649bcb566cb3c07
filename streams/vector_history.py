"""Which record of an item's vectors counts, of several that lie in the log in any order."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.item_state import Stamp
from schemas.vector_record import decode_vector_record
from streams.log_stretches import KeptRecord

Order = tuple[Stamp, int] | tuple[()]
UNUSABLE: Order = ()


class History(NamedTuple):
    """The last record of an item in a stretch, and the one that counts: None when the item was forgotten last, or when
    no record can be used.
    """

    last: KeptRecord
    last_order: Order
    best: KeptRecord | None = None
    best_order: Order = UNUSABLE

    @property
    def outdone(self) -> bool:
        """Whether the last record is not the one that counts."""
        return self.best is not None and self.best is not self.last and self.best_order > self.last_order

    def after(self, earlier: "History | None") -> "History":
        """The history of both stretches, this one being the later."""
        if earlier is None or earlier.best is None or earlier.best_order <= self.best_order or self._clears(earlier):
            return self
        return self._replace(best=earlier.best, best_order=earlier.best_order)

    def _clears(self, earlier: "History") -> bool:
        """Whether everything earlier was forgotten here."""
        return self.last.value is None and earlier.best_order <= self.last_order


def histories(records: Iterable[KeptRecord], model: str) -> dict[bytes, History]:
    """Per key, what its records in the order of the log come to; vectors of another embedding space are unusable.

    Newer pictures count more, and of the same pictures the record that has more of them.
    """
    found: dict[bytes, History] = {}
    for record in records:
        order = _order_of(record, model)
        best = None if record.value is None or order == UNUSABLE else record
        found[record.key] = History(record, order, best, order if best else UNUSABLE).after(found.get(record.key))
    return found


def _order_of(record: KeptRecord, model: str) -> Order:
    """Of a null, all that it forgets; one that does not say as of when forgets nothing here."""
    if record.value is None:
        return UNUSABLE if record.forgotten is None else (record.forgotten, 1 << 30)
    try:
        decoded = decode_vector_record(record.value)
    except ValueError:
        return UNUSABLE
    return (decoded.image_at, len(decoded.fingerprints)) if decoded.model == model else UNUSABLE
