"""The plugin that a contract looks at: loaded here, served, and told apart from its neighbours."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import attrs
import msgspec
import pytest

from workerkit.errors import PluginFailed, WorkerkitError
from workerkit.failures import readable
from workerkit.function import WorkerFunction
from workerkit.hooks import LoadedPlugin, implementations
from workerkit.installed import PLUGINS, installed
from workerkit.loading import Candidate
from workerkit.local import Local
from workerkit.target import load_target
from workerkit.testing.given import OWN, found, loaded, place, settings_for
from workerkit.testing.job_run import JobRun, run_locally
from workerkit.testing.server import Server

#: Inputs of the two jobs that a contract runs; the default handler raises for the second.
GOOD, BAD = "a job that goes well", "a job that fails"


#: The cure for a plugin that does nothing in the contract's jobs.
GIVE = "give it `settings` and `fields` (--set, --field) that make it act"


def broken(sentence: str, cause: BaseException | None = None) -> NoReturn:
    """Fail the test with a sentence, and what was raised; our own frames say nothing to an author."""
    trace = "" if cause is None else "".join(traceback.format_exception(cause)).rstrip()
    raise pytest.fail.Exception(f"{sentence}\n\n{trace}".rstrip(), pytrace=False) from None


def failure_in(records: Sequence[logging.LogRecord], hook: str, plugin: str) -> PluginFailed | None:
    """How a plugin failed in a hook whose failures the toolkit logs and does not pass on."""
    for record in records:
        for told in record.args if isinstance(record.args, tuple) else ():
            if isinstance(told, PluginFailed) and (told.hook, told.plugin) == (hook, plugin):
                return told
    return None


def fault_of(failure: PluginFailed) -> str:
    """What a plugin raised, without who and where."""
    return str(failure).partition(f" failed in {failure.hook}: ")[2]


@attrs.frozen
class Subject:
    """A plugin by the name or reference that its author gave, with settings and fields that make it act."""

    plugin: str
    settings: Mapping[str, Any]
    fields: Mapping[str, Any]
    handler: str
    folder: Path

    @cached_property
    def candidate(self) -> Candidate:
        """Found and imported; fails the test when it cannot be."""
        try:
            return found(self.plugin)
        except WorkerkitError as error:
            broken(str(error))

    @property
    def name(self) -> str:
        """The name under which it runs, and of its settings."""
        return place(self.candidate)

    def load(
        self,
        settings: Mapping[str, Any] | None = None,
        neighbours: Sequence[object] = (),
        order: Sequence[str] = (),
    ) -> list[LoadedPlugin]:
        """The plugin with the built-in ones and its neighbours; raises as a host does."""
        section = self.settings if settings is None else settings
        chosen = settings_for({self.name: section} if section else {}, order=order)
        return loaded([self.candidate, *neighbours], chosen)

    @cached_property
    def own(self) -> LoadedPlugin:
        """The plugin itself, built; fails the test when it cannot be."""
        try:
            plugins = self.load()
        except WorkerkitError as error:
            broken(f"it does not load: {error}", error.__cause__)
        return next(plugin for plugin in plugins if plugin.name == self.name)

    @cached_property
    def hooks(self) -> frozenset[str]:
        """The hooks that it implements."""
        return frozenset(hook for hook, _, _ in implementations(self.own.plugin))

    @contextmanager
    def local(
        self, plugins: Sequence[LoadedPlugin], function: WorkerFunction[..., Any] | None = None
    ) -> Iterator[Local]:
        """This process as host and worker, with the author's handler or another function."""
        with Local(function or self.function, plugins, settings_for({})) as local:
            yield local

    def run(
        self,
        input: Any,
        plugins: Sequence[LoadedPlugin] | None = None,
        function: WorkerFunction[..., Any] | None = None,
    ) -> JobRun:
        """One job in this process; raises as `run_job` does."""
        plugins = self.load() if plugins is None else plugins
        with self.local(plugins, function) as local:
            return run_locally(local, input, self.fields, plugins)

    @cached_property
    def function(self) -> WorkerFunction[..., Any]:
        """The function of the author's handler."""
        file = self.folder / "contract_handler.py"
        file.write_text(self.handler, encoding="utf-8")
        path, modules = list(sys.path), set(sys.modules)
        try:
            return next(iter(load_target(str(file)).functions.values()))
        finally:
            sys.path[:] = path
            for name in set(sys.modules) - modules:
                if getattr(sys.modules[name], "__file__", None) == str(file):
                    del sys.modules[name]

    def body(self, input: Any) -> bytes:
        """A request body, with the fields."""
        return msgspec.json.encode({**self.fields, "input": input})

    def inline(self, hook: str) -> bool:
        """Whether its implementation of a hook runs on the host's event loop."""
        found = (function for name, function, _ in implementations(self.own.plugin) if name == hook)
        return any(getattr(function, "workerkit_inline", False) for function in found)

    @property
    def package(self) -> str:
        """The name of its top-level package or module."""
        return self.candidate.ref.partition(":")[0].partition(".")[0]

    def asked(self, run: JobRun) -> list[Any]:
        """The deliveries that this plugin asked for."""
        return [delivery for delivery in run.deliveries if delivery.plugin == self.name]

    @cached_property
    def good(self) -> JobRun:
        """A job that goes well with the plugin; fails the test when it does not."""
        try:
            run = self.run(GOOD)
        except WorkerkitError as error:
            broken(f"a job that should go well does not begin: {error}; {GIVE}", error.__cause__)
        if run.status.value != "COMPLETED":
            why = readable(run.error or "no error").splitlines()[-1]
            broken(f"a job that should go well is {run.status.value}: {why}; {GIVE}\n\n{run!r}")
        return run

    def must_go_well(self) -> None:
        """Fail the test here when no job goes well with the plugin: nothing else could be told apart."""
        assert self.good

    @cached_property
    def acts_on(self) -> Any:
        """Input of a job after which it asks for a delivery; fails the test when there is none."""
        if self.asked(self.good):
            return GOOD
        if self.asked(self.run(BAD)):
            return BAD
        broken(
            "it has a deliver hook, but its post_job asked for nothing, neither after a job that went well "
            f"nor after one that failed; {GIVE}"
        )

    def server(self, *, instead: str = "", more: Sequence[str] = (), loggers: Sequence[str] = ()) -> Server:
        """A toolkit that serves the author's handler with this plugin and the built-in ones.

        `instead` is a `module:attribute` that stands for the plugin; `more` are further plugins, and
        `loggers` what the one called loud makes speak.
        """
        ref = instead or self.candidate.ref
        # A place that something installed has is taken over; any other plugin is loaded beside the rest.
        taken = self.name in installed(PLUGINS)
        chosen = {
            "autoload": [OWN],
            "use": {self.name: ref} if taken else {},
            "load": [*([] if taken else [ref]), *more],
        }
        sections = {self.name: self.settings} if self.settings else {}
        sections |= {"loud": {"loggers": loggers}} if loggers else {}
        folder = self.folder / "served"
        folder.mkdir(exist_ok=True)
        (folder / "handler.py").write_text(self.handler, encoding="utf-8")
        return Server(
            folder,
            "handler.py",
            settings={"plugins": chosen, "plugin": sections},
            environ={"PYTHONPATH": str(self._home())},
        )

    def _home(self) -> Path:
        """The folder from which the plugin was imported here, for processes that are started elsewhere."""
        file = Path(getattr(sys.modules[self.package], "__file__", None) or self.folder / "none.py")
        return file.parent.parent if file.name == "__init__.py" else file.parent
