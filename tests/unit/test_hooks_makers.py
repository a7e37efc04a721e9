"""A delivery belongs to the plugin that made it, and not to whoever has the place later."""

from __future__ import annotations

from workerkit.bridge import Bridge
from workerkit.delivery import Delivery, Receipt, Verdict
from workerkit.hooks import Hooks, LoadedPlugin, hookimpl


class Sends:
    @hookimpl
    def deliver(self, delivery: Delivery) -> Receipt:
        return Receipt.delivered(delivery.target)


class Inherits(Sends):
    takes_over = True


class Silent:
    @hookimpl
    def pre_job(self) -> None: ...


def hooks(plugin: object, bridge: Bridge, maker: str = "acme") -> Hooks:
    loaded = LoadedPlugin(name="webhook", plugin=plugin, dist="acme 1.2", ref="acme:Sends", maker=maker)
    return Hooks([loaded], bridge)


def delivery(maker: str) -> Delivery:
    return Delivery(target="x", plugin="webhook", maker=maker)


def test_the_maker_of_a_plugin_is_told_by_its_name(bridge: Bridge) -> None:
    assert hooks(Sends(), bridge).maker("webhook") == "acme"
    assert hooks(Sends(), bridge).maker("slack") == ""
    assert LoadedPlugin(name="a", plugin=Sends(), ref="acme:Sends").maker == "acme:Sends"
    assert LoadedPlugin(name="a", plugin=Sends()).maker == "Sends"


def test_what_the_plugin_made_itself_is_delivered_and_what_nobody_is_known_to_have_made(
    bridge: Bridge,
) -> None:
    for maker in ("acme", "acme:Sends", ""):
        assert hooks(Sends(), bridge).deliver(delivery(maker)) == Receipt.delivered("x")


def test_what_another_made_is_held_with_both_names_and_the_cure(bridge: Bridge) -> None:
    held = hooks(Sends(), bridge).deliver(delivery("workerkit"))

    assert held == Receipt(
        Verdict.HOLD,
        "plugin 'webhook' was that of workerkit, and plugin 'webhook' of acme 1.2 (acme:Sends) has its place now; "
        "give the place back to workerkit, or to one that says `takes_over = True`, then restart",
    )
    assert hooks(Sends(), bridge).undeliverable("webhook", "workerkit") == held.detail


def test_a_plugin_that_takes_over_delivers_what_another_made(bridge: Bridge) -> None:
    assert hooks(Inherits(), bridge).deliver(delivery("workerkit")) == Receipt.delivered("x")


def test_a_plugin_that_is_gone_or_has_no_deliver_hook_says_so_first(bridge: Bridge) -> None:
    assert "'slack' is not active" in hooks(Sends(), bridge).undeliverable("slack", "workerkit")
    assert "no deliver hook any more" in hooks(Silent(), bridge).undeliverable("webhook", "workerkit")
