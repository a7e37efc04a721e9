"""The option that makes the fault tests large, and the table of what they have measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

FIGURE = "figure"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the fault tests at their larger sizes")


@pytest.fixture(scope="session")
def soak(pytestconfig: pytest.Config) -> bool:
    """Whether the larger sizes are asked for. Pytest knows the option only where it is told this folder."""
    return bool(pytestconfig.getoption("--soak", default=False))


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Keeps a line for the table at the end of the run."""

    def keep(line: str) -> None:
        print(line)
        record_property(FIGURE, line)

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, value in report.user_properties
        if name == FIGURE and report.when == "call"
    ]
    if lines:
        terminalreporter.section("faults and their figures")
        for line in sorted(lines, key=_row):
            terminalreporter.write_line(line)


def _row(line: str) -> int:
    """Lines begin with `row N: `."""
    return int(line.split()[1].rstrip(":"))
