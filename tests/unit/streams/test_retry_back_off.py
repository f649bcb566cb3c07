"""When pictures are tried again: waits that double with jitter, attempts that end, hosts that cost none."""

from hypothesis import given
from hypothesis import strategies as st

from embedder.host_slots import HostDown
from schemas.errors import ImageRejected
from schemas.retry_settings import RetrySettings
from streams.retry_policy import SECOND_US, RetryPolicy, Tried

FAILED = ImageRejected("status 500", code="image_unreachable", temporary=True)
settings = st.builds(
    RetrySettings,
    attempts=st.integers(1, 30),
    first_s=st.floats(0.01, 60),
    longest_s=st.floats(0.01, 3600),
)
rolls = st.floats(0, 1, exclude_max=True)
NOW_US = 1_700_000_000 * SECOND_US


def policy(settings: RetrySettings, roll: float = 0.0, now_us: int = NOW_US) -> RetryPolicy:
    return RetryPolicy(settings, lambda: now_us, lambda: roll)


@given(settings, rolls)
def test_each_attempt_waits_between_half_and_all_of_its_back_off(settings: RetrySettings, roll: float) -> None:
    tried, attempts, now_us = None, 1, NOW_US
    longest_before_s = 0.0
    while (again := policy(settings, roll, now_us).again(tried, [FAILED])) is not None:
        assert again.tried == Tried(attempts, NOW_US)
        longest_s = policy(settings).longest_wait_s(attempts)
        assert longest_before_s <= longest_s <= settings.longest_s
        assert longest_s / 2 - 1e-5 <= (again.not_before_us - now_us) / SECOND_US <= longest_s + 1e-5
        tried, attempts, now_us, longest_before_s = again.tried, attempts + 1, again.not_before_us, longest_s
    assert attempts == settings.attempts
    assert (now_us - NOW_US) / SECOND_US <= policy(settings).patience_s() + 1e-3


def test_waits_double_up_to_the_longest() -> None:
    waits = [policy(RetrySettings(first_s=5.0, longest_s=60.0)).longest_wait_s(n) for n in range(1, 7)]
    assert waits == [5, 10, 20, 40, 60, 60]


@given(settings, rolls, st.integers(0, 29), st.floats(0.1, 60))
def test_a_host_left_alone_costs_no_attempt_and_is_waited_for(
    settings: RetrySettings, roll: float, attempts: int, pause_s: float
) -> None:
    down = HostDown("http://host:80", pause_s)
    again = policy(settings, roll).again(Tried(attempts, NOW_US), [down])
    if policy(settings).patience_s() == 0:
        assert again is None
        return
    assert again is not None
    assert again.tried == Tried(attempts, NOW_US)
    assert again.not_before_us >= NOW_US + pause_s * SECOND_US - 1
    both = policy(settings, roll).again(Tried(attempts, NOW_US), [down, FAILED])
    assert both is None or both.tried.attempts == attempts + 1


@given(settings)
def test_what_waited_as_long_as_all_back_offs_for_a_host_left_alone_is_given_up(settings: RetrySettings) -> None:
    down = HostDown("http://host:80", 5.0)
    late_us = NOW_US + round(policy(settings).patience_s() * SECOND_US) + 1
    assert policy(settings, now_us=late_us).again(Tried(1, NOW_US), [down]) is None
