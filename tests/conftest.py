from __future__ import annotations

#: These have tests of their own, which run where they are installed.
collect_ignore = ["third_party"]
