"""Fresh virtual environments for tests, made in a second and without a network.

environment = Environment(tmp_path / "env")
environment.install(THIRD_PARTY / "workerkit-audit")
assert "audit" in environment.workerkit("plugins").stdout
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

LONGEST = 120.0
#: What pip would make of workerkit's own entry point.
PROGRAM = "#!{python}\nimport sys\nfrom workerkit.cli import main\nsys.exit(main())\n"
#: Variables of the environment that the tests run in.
FOREIGN = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
Ran = subprocess.CompletedProcess[str]


class Environment:
    """A virtual environment in `folder`, of the running Python.

    It finds workerkit and all that is installed where the tests run, editable or not. What is
    installed into it comes first, and is found nowhere else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, symlinks=True)
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        [own] = folder.glob("lib/python3.*/site-packages")
        # Not plain paths: an editable install is found by the .pth files of its folder. The name sorts last.
        paths = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
        lines = [f"import site; site.addsitedir({path!r})\n" for path in paths]
        (own / "zz_running.pth").write_text("".join(lines))
        self.program = self.bin / "workerkit"
        self.program.write_text(PROGRAM.format(python=self.python))
        self.program.chmod(0o755)

    @property
    def environ(self) -> dict[str, str]:
        """The variables of a shell in which this environment is active."""
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        return {**kept, "VIRTUAL_ENV": str(self.folder), "PATH": f"{self.bin}{os.pathsep}{kept['PATH']}"}

    def install(self, *folders: Path) -> None:
        """`pip install` distributions that are built here; their dependencies are there already."""
        self._pip(
            *("install", "--no-deps", "--no-index", "--no-build-isolation", "--force-reinstall"),
            *map(str, folders),
        )

    def uninstall(self, *names: str) -> None:
        """`pip uninstall` distributions by name."""
        self._pip("uninstall", "--yes", *names)

    def run(
        self, *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Ran:
        """Run a program as in a shell where this environment is active; `env` adds variables."""
        return subprocess.run(
            list(map(str, arguments)),
            cwd=cwd or self.folder,
            env={**self.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )

    def workerkit(self, *arguments: str | Path, cwd: Path | None = None) -> Ran:
        """Run the command `workerkit` of this environment."""
        return self.run(self.program, *arguments, cwd=cwd)

    def _pip(self, *arguments: str) -> None:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(self.python)]
        done = self.run(*pip, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
