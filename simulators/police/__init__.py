"""The police's receiver (110), over HTTP: a good one, and every bad one.

Read server.py first; conduct.py lists how it can behave, envelope.py what it checks.
Run it: python -m simulators.police --port 8110 --secret-file FILE --control-port 8111
"""

from simulators.police.conduct import Conduct, How
from simulators.police.control import Control
from simulators.police.envelope import read_secret, sign
from simulators.police.server import PATH, Police, ServerTls

__all__ = [
    "PATH",
    "Conduct",
    "Control",
    "How",
    "Police",
    "ServerTls",
    "read_secret",
    "sign",
]
