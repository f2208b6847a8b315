"""Twisted and Autobahn without what no web process uses: TLS, which a proxy does, and WAMP, a protocol above WebSocket.
OpenSSL's bindings and what signs for WAMP would take 16 MB of each.

Imported before anything of either. Both do without OpenSSL where there is none, and Autobahn's package names one class
of WAMP's. Afterwards others find all of it as ever.
"""

import sys
from types import ModuleType

LEFT_OUT = ("OpenSSL", "autobahn.twisted.wamp")
WAMP = ModuleType("autobahn.twisted.wamp")
WAMP.ApplicationSession = None  # type: ignore[attr-defined]

sys.modules["OpenSSL"] = None  # type: ignore[assignment]  # so that its import fails
sys.modules["autobahn.twisted.wamp"] = WAMP
try:
    import autobahn.twisted
    from twisted.internet import asyncioreactor, endpoints  # noqa: F401
finally:
    for name in LEFT_OUT:
        del sys.modules[name]
    del autobahn.twisted.ApplicationSession
