"""Freshness: the stages a change passes from its event until searches show it, and how their times are counted.

    event --merged--> items.state --fetched--embedded--logged--> vectors.<generation> --applied--searchable--> searches

Every stage's time is that since the stage before. A change without image work has no fetched and embedded stage: its
state is merged, applied and searchable. Times come with the records (`schemas.vector_record.StageTimes`, the records'
own timestamps), so that the shard that applies a change last knows them all; clocks of several machines are compared.
"""

from typing import Literal, get_args

Stage = Literal["merged", "fetched", "embedded", "logged", "applied", "searchable", "total"]
STAGES: tuple[str, ...] = get_args(Stage)
"""merged: from the event to the record of the item's state. fetched: until the last picture was there. embedded: until
the model had made its vector. logged: until the vectors' record. applied: from the record to its shard's taking it up.
searchable: until searches saw it. total: from the event to there."""

FRESHNESS_METRIC = "lookalive_freshness_seconds"
FRESHNESS_BUCKETS_S = (
    *(0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0, 1800.0),
)
