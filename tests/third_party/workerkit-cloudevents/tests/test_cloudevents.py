from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from workerkit.testing import PluginContract, Receiver


class TestContract(PluginContract):
    plugin = "cloudevents"
    bad_settings = ({"attempts": 0}, {"source": ""}, {"retry_delay": -1}, {"timeout": 0})

    @pytest.fixture
    def fields(self, workerkit_receiver: Receiver) -> Mapping[str, Any]:
        return {"webhook": f"{workerkit_receiver.url}/done"}
