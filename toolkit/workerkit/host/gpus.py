"""Which GPUs there are to share out."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from workerkit.errors import SettingsError

#: What CUDA reads to know which devices a process may see.
VISIBLE = "CUDA_VISIBLE_DEVICES"
#: One folder for each device, where NVIDIA's driver is loaded.
DRIVER = Path("/proc/driver/nvidia/gpus")
#: Seconds that `nvidia-smi` may take.
PATIENCE = 20.0


def gpus(setting: str, environment: Mapping[str, str], driver: Path = DRIVER) -> list[str]:
    """The devices that workers get one of each; empty when they are left alone.

    `auto` is what `CUDA_VISIBLE_DEVICES` lists, else what the driver knows. Raises `SettingsError`.
    """
    setting = setting.strip()
    if setting in ("", "none"):
        return []
    if setting != "auto":
        return _listed(setting, "workers.gpus")
    if VISIBLE in environment:
        found = _listed(environment[VISIBLE], VISIBLE) if environment[VISIBLE].strip() else []
    elif driver.is_dir():
        found = [str(number) for number in range(len(os.listdir(driver)))]
    else:
        found = _asked(environment)
    if not found:
        raise SettingsError(
            "workers.gpus is 'auto', and no NVIDIA GPU was found; name them, such as --gpus 0,1, or use --gpus none"
        )
    return found


def _listed(text: str, where: str) -> list[str]:
    """Numbers, or names such as `GPU-8932f937` and `MIG-…`."""
    devices = [device.strip() for device in text.split(",")]
    wrong = [d for d in devices if not (d.isdecimal() or d.startswith(("GPU-", "MIG-")))]
    if wrong:
        raise SettingsError(f"{where}: {wrong[0]!r} is no GPU; write auto, none, or numbers such as 0,1")
    if len(set(devices)) < len(devices):
        raise SettingsError(f"{where}: {text!r} names a GPU twice; each worker gets one of its own")
    return devices


def _asked(environment: Mapping[str, str]) -> list[str]:
    """What `nvidia-smi` lists, where it is installed."""
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],  # noqa: S607 - wherever it is
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in listed.stdout.splitlines() if line.strip().isdecimal()]
