"""Which addresses the host may connect to on behalf of a request, whose author is not trusted.

A URL in a request says where to; what is behind it is the operator's network. So `parse` the URL once,
have `Guard.addresses` resolve and judge it once, and connect to what that returned, not to the name.
`guarded` makes the connections of urllib3, and of what is built on it, do so.
"""

from __future__ import annotations

from workerkit.guard.connecting import guarded
from workerkit.guard.guard import Blocked, Guard
from workerkit.guard.resolving import Address, Busy, Unresolved
from workerkit.guard.url import Url, parse

__all__ = ["Address", "Blocked", "Busy", "Guard", "Unresolved", "Url", "guarded", "parse"]
