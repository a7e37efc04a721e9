"""How much each receiver is sent at a time, so that one that hangs or fails costs the others nothing.

A lane is *quick* when its last try was answered soon, *slow* when it took long or failed, and else new.
Slow ones share half of the places and leave some to new ones, and both leave some to quick ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from enum import Enum

import attrs

#: Tries at a time: in all, in one lane, in all slow lanes, and in all that are slow or new.
MOST_TRIES, MOST_IN_LANE, MOST_SLOW, MOST_UNPROVEN = 64, 8, 32, 48
#: Seconds within which an answer is quick.
QUICK = 2.0
#: So many failures in a row close a lane for so many seconds. Nothing is sent there meanwhile.
MOST_FAILURES, CLOSED_FOR = 5, 30.0
#: Lanes that are remembered, and slow ones that are asked for at a time.
MOST_QUICK_KEPT, MOST_SLOW_KEPT, ASKED = 256, 1024, 64


class Kind(Enum):
    """What is known of a lane."""

    QUICK = "quick"
    SLOW = "slow"
    NEW = "new"


@attrs.define(eq=False)
class Lane:
    """One receiver: it is trusted with more at a time as it answers, and with one when it does not."""

    name: str
    kind: Kind = Kind.NEW
    window: int = 1
    active: int = 0
    failures: int = 0
    closed_until: float = 0.0

    @property
    def room(self) -> int:
        """How many more it may be sent, if it is not closed."""
        return max(self.window - self.active, 0)

    def answered(self, took: float) -> None:
        """A try was answered after so many seconds."""
        self.kind = Kind.QUICK if took < QUICK else Kind.SLOW
        self.failures = 0
        self.window = min(2 * self.window, MOST_IN_LANE)

    def failed(self, now: float) -> bool:
        """A try was not answered, or says that the receiver is not well; True when that closes the lane."""
        self.kind, self.window = Kind.SLOW, 1
        if self.closed_until > now:
            return False
        self.failures += 1
        if self.failures < MOST_FAILURES:
            return False
        self.failures = 0  # as many more, once it is open again
        self.closed_until = now + CLOSED_FOR
        return True


@attrs.frozen(eq=False)
class Turn:
    """One try of a lane, and of which kind that was as the try began."""

    lane: Lane
    kind: Kind


@attrs.frozen
class Share:
    """What may be claimed: so many in all, so many of each lane named, and of each that is not."""

    limit: int
    rooms: dict[str, int]
    others: int = 0


class Lanes:
    """Every lane that something is known of. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._busy: dict[str, Lane] = {}
        self._quick: OrderedDict[str, Lane] = OrderedDict()
        self._slow: OrderedDict[str, Lane] = OrderedDict()
        self._active = dict.fromkeys(Kind, 0)

    @property
    def free(self) -> int:
        """How many tries may begin, if they are of quick lanes."""
        return MOST_TRIES - sum(self._active.values())

    def remember(self, names: Iterable[str]) -> None:
        """Receivers that answered before this host was started, the latest last."""
        for name in names:
            self._remember(Lane(name, Kind.QUICK))

    def shares(self) -> Iterator[Share]:
        """What to claim, one after the other, each as it is when it is asked for.

        First whatever is not slow; when new lanes have all their places, quick ones by name; then slow ones.
        """
        if (limit := self._free_for_new) > 0:
            yield Share(limit, {**dict.fromkeys(self._slow, 0), **self._busy_rooms()}, 1)
        elif (limit := self.free) > 0:
            yield Share(limit, self._rooms(self._quick.values()))
        if (limit := min(self._free_for_new, MOST_SLOW - self._active[Kind.SLOW])) > 0:
            yield Share(limit, self._rooms(self._next_slow()))

    def waited_for(self) -> Share:
        """Whose next delivery is waited for."""
        if self._free_for_new <= 0:
            return Share(self.free, self._rooms(self._quick.values()))
        full = self._active[Kind.SLOW] >= MOST_SLOW
        now = self._clock()
        shut = {lane.name: 0 for lane in self._slow.values() if full or lane.closed_until > now}
        return Share(self.free, {**self._busy_rooms(slow=True), **shut}, 1)

    def admits(self, name: str) -> bool:
        """Whether a lane may be sent one more now."""
        lane = self._known(name) or Lane(name)
        places = MOST_SLOW - self._active[Kind.SLOW] if lane.kind is Kind.SLOW else MOST_TRIES
        return min(self._free_for_new, places, lane.room) > 0 and lane.closed_until <= self._clock()

    def resting(self) -> dict[str, float]:
        """The closed lanes, and for how many more seconds they are."""
        now = self._clock()
        return {lane.name: lane.closed_until - now for lane in self._slow.values() if lane.closed_until > now}

    def begin(self, name: str) -> Turn:
        """A try begins."""
        lane = self._known(name) or Lane(name)
        self._busy[name] = lane
        lane.active += 1
        self._active[lane.kind] += 1
        return Turn(lane, lane.kind)

    def over(self, turn: Turn, took: float, *, well: bool | None) -> bool:
        """A try is over after so many seconds; `well` says whether the receiver answered as one that works
        does, None when nothing was sent. True when its lane is closed by it."""
        lane = turn.lane
        lane.active -= 1
        self._active[turn.kind] -= 1
        if not lane.active:
            del self._busy[lane.name]
        if well is None:
            return False
        closed = False
        if well:
            lane.answered(took)
        else:
            closed = lane.failed(self._clock())
        self._remember(lane)
        return closed

    @property
    def _free_for_new(self) -> int:
        unproven = self._active[Kind.SLOW] + self._active[Kind.NEW]
        return min(self.free, MOST_UNPROVEN - unproven)

    def _busy_rooms(self, *, slow: bool = False) -> dict[str, int]:
        return {name: lane.room for name, lane in self._busy.items() if slow or lane.kind is not Kind.SLOW}

    def _rooms(self, lanes: Iterable[Lane]) -> dict[str, int]:
        return {lane.name: lane.room for lane in lanes if lane.room}

    def _next_slow(self) -> list[Lane]:
        """Some slow lanes that are open. The next time it is others' turn."""
        now = self._clock()
        lanes = [lane for lane in self._slow.values() if lane.room and lane.closed_until <= now][:ASKED]
        for lane in lanes:
            self._slow.move_to_end(lane.name)
        return lanes

    def _known(self, name: str) -> Lane | None:
        return self._busy.get(name) or self._quick.get(name) or self._slow.get(name)

    def _remember(self, lane: Lane) -> None:
        quick = lane.kind is Kind.QUICK
        kept, most = (self._quick, MOST_QUICK_KEPT) if quick else (self._slow, MOST_SLOW_KEPT)
        (self._slow if quick else self._quick).pop(lane.name, None)
        kept[lane.name] = lane
        kept.move_to_end(lane.name)
        if len(kept) > most:
            kept.popitem(last=False)
