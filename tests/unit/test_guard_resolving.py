"""Look-ups: one a call, all answers judged, bounded in time and in threads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from waiting import until
from workerkit.guard import Address, Blocked, Busy, Guard, Unresolved, parse
from workerkit.guard.resolving import MOST, MOST_NEW, Answers, Resolver


def answers(*addresses: str, port: int = 80) -> Answers:
    for address in addresses:
        if ":" in address:
            yield socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)
        else:
            yield socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)


class Turns:
    """A resolver that answers something else each time."""

    def __init__(self, *turns: tuple[str, ...]) -> None:
        self.turns = list(turns)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> Answers:
        self.asked.append((host, port))
        return answers(*self.turns.pop(0), port=port)


class Hanging:
    """A resolver whose server does not answer until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.asked: list[str] = []
        self.answered: list[threading.Thread] = []

    def __call__(self, host: str, port: int) -> Answers:
        self.asked.append(host)
        if host != "quick":
            assert self.released.wait(60)
        self.answered.append(threading.current_thread())
        return answers("8.8.8.8")


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.released.set()
    until("no look-up is left", lambda: len(made.answered) == len(made.asked))


def fill(guard: Guard) -> None:
    """Have so many look-ups hang that there is no room for another."""
    for number in range(MOST_NEW):
        with pytest.raises(Unresolved, match="not resolved within"):
            guard.addresses(parse(f"http://slow{number}.example/"), 0.001)


def test_a_name_that_is_public_first_and_private_next_is_looked_up_once_a_call() -> None:
    turns = Turns(("8.8.8.8",), ("10.1.2.3",))
    guard = Guard(resolver=turns)
    url = parse("http://rebinding.example:8080/")

    assert [a.sockaddr for a in guard.addresses(url, 5)] == [("8.8.8.8", 8080)]
    assert turns.asked == [("rebinding.example", 0)]
    with pytest.raises(Blocked, match=r"is 10\.1\.2\.3, a private address"):
        guard.addresses(url, 5)
    assert len(turns.asked) == 2


@pytest.mark.parametrize("found", [("8.8.8.8", "127.0.0.1"), ("127.0.0.1", "8.8.8.8"), ("8.8.8.8", "::1")])
def test_one_bad_answer_among_good_ones_is_enough(found: tuple[str, ...]) -> None:
    with pytest.raises(Blocked, match="a loopback address"):
        Guard(resolver=Turns(found)).addresses(parse("http://mixed.example/"), 5)


def test_all_addresses_come_in_the_order_of_the_resolver_and_once() -> None:
    turns = Turns(("2606:4700::1", "8.8.8.8", "1.1.1.1", "8.8.8.8"))

    found = Guard(resolver=turns).addresses(parse("http://many.example/"), 5)

    assert [a.host for a in found] == ["2606:4700::1", "8.8.8.8", "1.1.1.1"]
    assert [a.family for a in found] == [socket.AF_INET6, socket.AF_INET, socket.AF_INET]


def test_a_scope_is_kept_for_the_connection_and_no_part_of_the_address() -> None:
    def scoped(host: str, port: int) -> Answers:
        yield socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%eth0", port, 0, 2)

    [found] = Guard(allow=["fe80::/10"], resolver=scoped).addresses(parse("http://printer/"), 5)
    assert found == Address(socket.AF_INET6, "fe80::1", ("fe80::1%eth0", 80, 0, 2))


def test_the_system_resolver_is_asked_when_no_other_is_given() -> None:
    found = Guard(loopback=True).addresses(parse("http://localhost:81/"), 10)

    assert ("127.0.0.1", 81) in [a.sockaddr for a in found] or ("::1", 81, 0, 0) in [
        a.sockaddr for a in found
    ]


DNS = "the DNS servers of this machine"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (OSError("the resolver is gone"), "the resolver is gone"),
        (UnicodeError("label empty or too long"), "label empty or too long"),
        (OSError(), "OSError"),
    ],
)
def test_a_name_that_cannot_be_resolved_says_why(error: Exception, said: str) -> None:
    def failing(host: str, port: int) -> Answers:
        raise error

    with pytest.raises(Unresolved) as caught:
        Guard(resolver=failing).addresses(parse("http://nowhere.example/"), 5)
    assert str(caught.value) == (
        f"the name 'nowhere.example' cannot be resolved: {said}; check its spelling, and {DNS}"
    )
    assert caught.value.__cause__ is error


def test_an_address_that_a_host_spells_is_had_for_every_port_and_judged_each_time() -> None:
    guard, strict = Guard(loopback=True), Guard()
    for port in (1, 2, 1):
        url = parse(f"http://127.0.0.1:{port}/")
        assert [address.sockaddr for address in guard.addresses(url, 1)] == [("127.0.0.1", port)]
        with pytest.raises(Blocked, match="loopback"):
            strict.addresses(url, 1)


def test_a_resolver_that_is_broken_is_no_fault_of_the_name() -> None:
    def broken(host: str, port: int) -> Answers:
        raise LookupError("a mistake in the resolver")

    with pytest.raises(LookupError, match="a mistake in the resolver"):
        Guard(resolver=broken).addresses(parse("http://host/"), 5)


def test_a_name_without_an_address_that_tcp_knows_has_none() -> None:
    def local(host: str, port: int) -> Answers:
        yield socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/run/receiver"

    for resolver in (Turns(()), local):
        with pytest.raises(
            Unresolved, match=r"^the name 'bare' has no address; check its A and AAAA records$"
        ):
            Guard(resolver=resolver).addresses(parse("http://bare/"), 5)


def test_a_name_in_deny_and_an_address_are_not_looked_up() -> None:
    turns = Turns()
    guard = Guard(deny=["denied.example"], resolver=turns)

    with pytest.raises(Blocked):
        guard.addresses(parse("http://denied.example/"), 5)
    guard.addresses(parse("http://8.8.8.8/"), 5)
    guard.precheck(parse("http://other.example/"))
    assert turns.asked == []


def test_a_look_up_that_takes_too_long_is_left_alone(hanging: Hanging) -> None:
    with pytest.raises(Unresolved) as caught:
        Guard(resolver=hanging).addresses(parse("http://slow.example/"), 0.01)
    assert str(caught.value) == (
        f"the name 'slow.example' was not resolved within 0.01 s; check {DNS}, and those of the name"
    )
    hanging.released.set()
    until("it is answered", lambda: hanging.answered)
    assert hanging.answered[0].daemon


def test_a_server_that_hangs_costs_a_thread_a_name_and_no_more_than_some(hanging: Hanging) -> None:
    guard = Guard(resolver=hanging)
    for _ in range(3):
        fill(guard)
    assert len(hanging.asked) == len(set(hanging.asked)) == MOST_NEW

    for room, within in ((None, " within 0.01 s"), (0, "")):
        with pytest.raises(Busy) as caught:
            guard.addresses(parse("http://quick/"), 0.01, room)
        assert str(caught.value) == (
            f"the name 'quick' was not looked up{within}: {MOST_NEW} other look-ups are without an answer; check {DNS}"
        )
    assert len(hanging.asked) == MOST_NEW
    guard.addresses(parse("http://8.8.8.8/"), 0.01)


def test_some_places_are_left_to_names_that_have_resolved(hanging: Hanging) -> None:
    guard = Guard(resolver=hanging)
    guard.addresses(parse("http://quick/"), 60)
    fill(guard)

    assert [a.host for a in guard.addresses(parse("http://quick/"), 60, 0)] == ["8.8.8.8"]
    assert MOST > MOST_NEW


def test_the_ports_of_a_name_share_a_look_up(hanging: Hanging) -> None:
    guard = Guard(resolver=hanging)
    for port in range(1, 2 * MOST_NEW):
        with pytest.raises(Unresolved, match="not resolved within"):
            guard.addresses(parse(f"http://slow.example:{port}/"), 0.001)
    assert hanging.asked == ["slow.example"]
    found = [guard.addresses(parse(f"http://quick:{port}/"), 60) for port in (81, 82)]
    assert [[a.sockaddr for a in each] for each in found] == [[("8.8.8.8", 81)], [("8.8.8.8", 82)]]


def test_who_waits_for_room_is_served_when_there_is_some(hanging: Hanging) -> None:
    guard = Guard(resolver=hanging)
    fill(guard)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(guard.addresses, parse("http://quick/"), 60)
        hanging.released.set()
        assert [a.host for a in waiting.result(60)] == ["8.8.8.8"]


def test_look_ups_that_follow_each_other_share_a_thread(hanging: Hanging) -> None:
    guard = Guard(resolver=hanging)
    for _ in range(20):
        guard.addresses(parse("http://quick/"), 60)
    assert len(hanging.answered) == 20
    assert len(set(hanging.answered)) == 1


def test_a_thread_that_has_nothing_to_do_ends(hanging: Hanging) -> None:
    resolver = Resolver(hanging, idle=0.01)
    for number in range(1, 4):
        assert [a.sockaddr for a in resolver.look_up("quick", 80, 60)] == [("8.8.8.8", 80)]
        until("the thread has ended", lambda: not hanging.answered[-1].is_alive())
        assert len(set(hanging.answered)) == number


def test_threads_that_end_just_when_they_are_wanted_lose_no_look_up() -> None:
    resolver = Resolver(lambda host, port: answers("8.8.8.8"), idle=0.0)
    for _ in range(1000):
        assert resolver.look_up("quick", 80, 10)


def test_a_name_that_hangs_does_not_hold_up_another(hanging: Hanging) -> None:
    guard = Guard(resolver=hanging)
    with pytest.raises(Unresolved):
        guard.addresses(parse("http://slow.example/"), 0.001)

    assert [a.host for a in guard.addresses(parse("http://quick/"), 60)] == ["8.8.8.8"]


def test_who_asks_for_a_name_that_hangs_gets_its_answer_once_it_comes(hanging: Hanging) -> None:
    guard = Guard(resolver=hanging)
    url = parse("http://late.example/")
    with pytest.raises(Unresolved):
        guard.addresses(url, 0.001)

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(guard.addresses, url, 60) for _ in range(8)]
        hanging.released.set()
        assert {w.result(60) for w in waiting} == {(Address(socket.AF_INET, "8.8.8.8", ("8.8.8.8", 80)),)}
