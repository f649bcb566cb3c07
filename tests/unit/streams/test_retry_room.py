"""What waits for its pictures is bounded where the broker drops its oldest records; nobody waits for room there."""

from schemas.backlog import Gate
from schemas.errors import NotReady
from schemas.settings import KafkaSettings
from streams.retry_room import FULL_FOR_S, RetryRoom


class FakeBacklog:
    """Answers what a test says, in turn; an error is raised."""

    def __init__(self, *answers: int | NotReady) -> None:
        self.answers = list(answers)

    def records(self) -> int:
        answer = self.answers.pop(0)
        if isinstance(answer, NotReady):
            raise answer
        return answer


def room_of(backlog: FakeBacklog, clock: list[float]) -> RetryRoom:
    kafka = KafkaSettings(embedded=True, partitions=16, backlog_mib=0.001)
    return RetryRoom(Gate(backlog, kafka), lambda: clock[0])  # type: ignore[arg-type]


async def test_full_is_said_at_once_and_asked_again_only_later() -> None:
    backlog, clock = FakeBacklog(1000, 0), [10.0]
    room = room_of(backlog, clock)
    assert await room.there(), "nothing was written that would matter"
    for _ in range(10):
        room.note(500)
    assert not await room.there()
    assert not await room.there()
    assert backlog.answers == [0]
    clock[0] += FULL_FOR_S
    assert await room.there()


async def test_a_broker_that_does_not_answer_is_waited_for() -> None:
    backlog = FakeBacklog(NotReady("no answer"), 0)
    room = room_of(backlog, [0.0])
    room.note(10_000)
    assert await room.there()
    assert backlog.answers == []
