"""What deliveries there are that have not arrived, as `/metrics` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily, Metric

from workerkit.queue import DeliveryState

if TYPE_CHECKING:
    from workerkit.host.host import Host

#: Of these it is told how many there are. Cancelled ones are as they should be.
UNDELIVERED = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.HELD, DeliveryState.DEAD)


async def backlog(host: Host) -> list[Metric]:
    """Deliveries by state, how long they have waited, and receivers that rest. What arrived costs nothing."""
    counts, since = await host.store.delivery_counts(), await host.store.oldest_pending()
    undelivered = GaugeMetricFamily(
        "workerkit_undelivered", "Deliveries that have not arrived, by state", labels=["state"]
    )
    for state in UNDELIVERED:
        undelivered.add_metric([state.value], counts[state])
    waited = 0 if since is None else max(host.store.now() - since, 0)
    delay = GaugeMetricFamily(
        "workerkit_delivery_delay_seconds",
        "How long ago the oldest pending delivery was stored",
        waited / 1000,
    )
    resting = GaugeMetricFamily(
        "workerkit_receivers_resting",
        "Receivers that nothing is sent to for now",
        len(host.deliveries_resting()),
    )
    return [undelivered, delay, resting]
