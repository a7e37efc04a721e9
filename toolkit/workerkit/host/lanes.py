"""How much each receiver is sent at a time, so that one that hangs or fails costs the others nothing.

A lane that answers is trusted with more: with more at a time when it takes long over each, and with more in
a row when it is *prompt*. More at a time would gain nothing there: threads would only be in each other's way.

A lane is *quick* when its last try was answered soon, *slow* when it took long or failed, and else new.
Slow ones share half of the places and leave some to new ones, and both leave some to quick ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from threading import Lock

import attrs

#: Places, one for each delivery that was claimed: in all, in all slow lanes, and in all that are slow or new.
MOST_TRIES, MOST_SLOW, MOST_UNPROVEN = 128, 32, 48
#: In one lane: tries at a time, rows while it is prompt, and tries in a row. Of two rows one is sent and one
#: waits for that, so that the lane is kept busy while the outcomes of a third are stored.
MOST_IN_LANE, MOST_PROMPT, MOST_IN_ROW = 8, 2, 16
#: Seconds that a prompt lane takes for a try, multiplied by how many rows of quick ones are under way at the time,
#: up to 8: their threads take turns.
PROMPT = 0.0005
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
    """One receiver: it is trusted with more as it answers, and with one at a time when it does not."""

    name: str
    kind: Kind = Kind.NEW
    #: How many at a time, and each followed by how many more in a row.
    window: int = 1
    row: int = 1
    turns: int = 0
    failures: int = 0
    closed_until: float = 0.0
    #: Whose row it is that is sent, while the lane is prompt.
    baton: Lock = attrs.field(factory=Lock, repr=False)

    @property
    def prompt(self) -> bool:
        """Whether it answers so soon that its rows are sent one after the other."""
        return self.row > 1 and self.window <= MOST_PROMPT

    @property
    def room(self) -> int:
        """How many more it may be sent, if it is not closed."""
        return max(self.window - self.turns, 0) * self.row

    def answered(self, took: float, tries: int, beside: int) -> None:
        """Tries in a row were answered, within so many seconds in all; so many quick ones were sent to at the time."""
        self.kind = Kind.QUICK if took < QUICK else Kind.SLOW
        self.failures = 0
        if took < PROMPT * max(beside, MOST_PROMPT) * tries:
            self.window, self.row = max(self.window // 2, MOST_PROMPT), min(2 * self.row, MOST_IN_ROW)
        else:
            self.window, self.row = min(2 * self.window, MOST_IN_LANE), max(self.row // 2, 1)

    def failed(self, now: float) -> bool:
        """A try was not answered, or says that the receiver is not well; True when that closes the lane."""
        self.kind, self.window, self.row = Kind.SLOW, 1, 1
        if self.closed_until > now:
            return False
        self.failures += 1
        if self.failures < MOST_FAILURES:
            return False
        self.failures = 0  # as many more, once it is open again
        self.closed_until = now + CLOSED_FOR
        return True


@attrs.define(eq=False)
class Turn:
    """Tries of a lane in a row, of which kind it was as they began, and how many places they take."""

    lane: Lane
    kind: Kind
    places: int
    #: Held by the one thread that sends it.
    baton: Lock


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
        self._turns = dict.fromkeys(Kind, 0)

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
            known = {lane.name: lane.room for lane in self._quick.values()}
            yield Share(limit, {**dict.fromkeys(self._slow, 0), **known, **self._busy_rooms()}, 1)
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

    def row(self, name: str) -> int:
        """How many a lane may be sent in a row."""
        lane = self._known(name)
        return 1 if lane is None else lane.row

    def begin(self, name: str, places: int = 1) -> Turn:
        """Tries in a row begin, so many."""
        lane = self._known(name) or Lane(name)
        self._busy[name] = lane
        lane.turns += 1
        self._turns[lane.kind] += 1
        self._active[lane.kind] += places
        return Turn(lane, lane.kind, places, lane.baton if lane.prompt else Lock())

    def less(self, turn: Turn, places: int) -> None:
        """So many of a turn were taken back, or are over before the last one."""
        turn.places -= places
        self._active[turn.kind] -= places

    def lingers(self, turn: Turn) -> None:
        """A turn goes on for long: what comes next to its lane does not wait for it in rows."""
        turn.lane.row = 1

    def over(self, turn: Turn, took: float, *, well: bool | None, tries: int = 1) -> bool:
        """Tries in a row are over, which took so many seconds in all. All but the last one have arrived.

        `well` says whether the receiver answered that one as one that works does, None when it was not sent.
        True when its lane is closed by it.
        """
        lane = turn.lane
        if tries > 1:
            lane.failures = 0
        closed = False
        if well:
            lane.answered(took, tries, min(self._turns[Kind.QUICK], MOST_IN_LANE))
        elif well is not None:
            closed = lane.failed(self._clock())
        self.less(turn, turn.places)
        lane.turns -= 1
        self._turns[turn.kind] -= 1
        if not lane.turns:
            del self._busy[lane.name]
        if well is not None:
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
