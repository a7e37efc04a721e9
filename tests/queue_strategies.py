"""What clients, holders and a host may ask of a queue, for the rules of `queue_machine`."""

from __future__ import annotations

from hypothesis import strategies as st

from queue_comparison import ENDPOINTS
from queue_driver import KEEP
from workerkit.delivery import Delivery
from workerkit.queue import Blame, DeliveryFilter, DeliveryState
from workerkit.states import Status

DELAY, TTL = 5_000, 60_000

#: Mostly one, so that what is done meets what was done.
endpoints = st.sampled_from([ENDPOINTS[0], *ENDPOINTS])
holders = st.sampled_from("ab")
#: Which one of those there are, the latest first.
places = st.integers(0, 4)
lows = st.sampled_from([False, False, True])
ttls = st.sampled_from([TTL, 2 * KEEP])
keys = st.sampled_from([None, None, ("k1", b"1"), ("k1", b"2"), ("k2", b"1")])
ends = st.sampled_from([status for status in Status if status.ended])
#: How many more each lane may be sent, and each that is not named.
rooms = st.sampled_from(
    [
        ({}, 9),
        ({}, 9),
        ({}, 1),
        ({"a": 0}, 9),
        ({"a": 1}, 9),
        ({"b": 0}, 1),
        ({"a": 1, "b": 2}, 0),
        ({"a": 9}, 0),
    ]
)
filters = st.sampled_from(
    [
        DeliveryFilter(),
        DeliveryFilter(),
        DeliveryFilter(state=DeliveryState.DEAD),
        DeliveryFilter(state=DeliveryState.DELIVERED),
        DeliveryFilter(state=DeliveryState.PENDING),
        DeliveryFilter(endpoint=ENDPOINTS[0], plugin="webhook"),
        DeliveryFilter(lane="a"),
    ]
)
A, A_OWN, B = [
    Delivery(target="http://a/", plugin=plugin, lane=lane, attempts=attempts, body=body)
    for plugin, lane, attempts, body in (
        ("webhook", "a", 2, None),
        ("audit", "a", 1, b"own"),
        ("webhook", "b", 2, None),
    )
]
deliveries = st.sampled_from([(), (A,), (A, A), (A, A_OWN), (A_OWN, B), (A, A_OWN, B)])
#: Names of `Driver`'s calls with their arguments.
finishes = st.tuples(st.just("finish"), places, ends, deliveries)
releases = st.tuples(
    st.just("release"), places, st.sampled_from(list(Blame)), st.sampled_from([0, DELAY, KEEP])
)
reports = st.tuples(st.just("report"), places, st.integers(0, 3))
retries = st.tuples(st.just("retry"), places)
cancels = st.tuples(st.just("end_as_seen"), places, ends, deliveries)
#: State, and when it is due again.
settlements = st.sampled_from(
    [
        (DeliveryState.PENDING, None),
        (DeliveryState.PENDING, DELAY),
        (DeliveryState.PENDING, DELAY),
        (DeliveryState.DELIVERED, None),
        (DeliveryState.DEAD, None),
        (DeliveryState.HELD, None),
    ]
)
