from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from workerkit.testing import PluginContract


class TestContract(PluginContract):
    plugin = "asynchronous"
    bad_settings = ({"file": ""},)

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Mapping[str, Any]:
        return {"file": str(tmp_path / "journal.log")}

    @pytest.fixture
    def fields(self) -> Mapping[str, Any]:
        return {"announce": "here"}
