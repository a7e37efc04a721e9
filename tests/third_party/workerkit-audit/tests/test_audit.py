from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from workerkit.testing import PluginContract


class TestContract(PluginContract):
    plugin = "audit"
    bad_settings = ({"attempts": 0},)

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Mapping[str, Any]:
        return {"file": str(tmp_path / "audit.log")}
