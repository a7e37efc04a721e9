"""How much each receiver is sent at a time, so that one that hangs or fails costs the others nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import attrs

#: Tries at a time: in all, in one lane, and in all lanes that have not just delivered something. What
#: is left is kept for those that have.
MOST_TRIES, MOST_IN_LANE, MOST_UNPROVEN = 64, 8, 48
#: So many failures in a row close a lane for so many seconds. Nothing is sent there meanwhile.
MOST_FAILURES, CLOSED_FOR = 5, 30.0
#: Lanes that are remembered: that delivered last time, and that failed.
MOST_PROVEN, MOST_FAILING = 256, 1024


@attrs.define(eq=False)
class Lane:
    """One receiver: it is trusted with more at a time as it acknowledges, and with one when it fails."""

    name: str
    window: int = 1
    active: int = 0
    failures: int = 0
    closed_until: float = 0.0
    #: Whether its last try was a good one.
    proven: bool = False

    @property
    def room(self) -> int:
        """How many more it may be sent, if it is not closed."""
        return max(self.window - self.active, 0)

    def succeeded(self) -> None:
        """A try was acknowledged."""
        self.proven, self.failures = True, 0
        self.window = min(2 * self.window, MOST_IN_LANE)

    def failed(self, now: float) -> bool:
        """A try was not acknowledged; True when that closes the lane."""
        self.proven, self.window = False, 1
        self.failures += 1
        if self.failures < MOST_FAILURES or self.closed_until > now:
            return False
        self.closed_until = now + CLOSED_FOR
        return True


@attrs.frozen(eq=False)
class Turn:
    """One try of a lane, and whether that was proven as the try began."""

    lane: Lane
    proven: bool


class Lanes:
    """Every lane that something is known of. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._busy: dict[str, Lane] = {}
        self._proven: OrderedDict[str, Lane] = OrderedDict()
        self._failing: OrderedDict[str, Lane] = OrderedDict()
        self._active = self._unproven = 0

    @property
    def free(self) -> int:
        """How many tries may begin, if they are of proven lanes."""
        return MOST_TRIES - self._active

    @property
    def free_for_all(self) -> int:
        """How many tries may begin, whatever their lanes."""
        return min(self.free, MOST_UNPROVEN - self._unproven)

    def rooms(self) -> dict[str, int]:
        """How many more each lane may be sent; one that is not named may be sent one."""
        now = self._clock()
        rooms = {lane.name: 0 for lane in self._failing.values() if lane.closed_until > now}
        return rooms | {name: lane.room for name, lane in self._busy.items() if name not in rooms}

    def proven_rooms(self) -> dict[str, int]:
        """The same for proven lanes alone."""
        return {name: lane.room for name, lane in self._proven.items() if lane.room}

    def opens_in(self) -> float | None:
        """Seconds until the first closed lane is open again."""
        now = self._clock()
        waits = (lane.closed_until - now for lane in self._failing.values() if lane.closed_until > now)
        return min(waits, default=None)

    def admits(self, name: str) -> bool:
        """Whether a lane may be sent one more now."""
        lane = self._known(name)
        closed = lane is not None and lane.closed_until > self._clock()
        return self.free_for_all > 0 and not closed and (lane is None or lane.room > 0)

    def begin(self, name: str) -> Turn:
        """A try begins."""
        lane = self._known(name) or Lane(name)
        self._busy[name] = lane
        lane.active += 1
        turn = Turn(lane, lane.proven)
        self._active += 1
        self._unproven += not turn.proven
        return turn

    def over(self, turn: Turn, *, good: bool | None) -> bool:
        """A try is over; `good` is None when nothing was sent. True when the lane is closed by it."""
        lane = turn.lane
        lane.active -= 1
        self._active -= 1
        self._unproven -= not turn.proven
        if not lane.active:
            del self._busy[lane.name]
        if good is None:
            return False
        closed = False
        if good:
            lane.succeeded()
        else:
            closed = lane.failed(self._clock())
        self._remember(lane)
        return closed

    def _known(self, name: str) -> Lane | None:
        return self._busy.get(name) or self._proven.get(name) or self._failing.get(name)

    def _remember(self, lane: Lane) -> None:
        kept, most = (self._proven, MOST_PROVEN) if lane.proven else (self._failing, MOST_FAILING)
        (self._failing if lane.proven else self._proven).pop(lane.name, None)
        kept[lane.name] = lane
        kept.move_to_end(lane.name)
        if len(kept) > most:
            kept.popitem(last=False)
