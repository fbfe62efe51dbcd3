"""HTTP receivers: one signed POST per record, CloudEvents JSON (design section 4).

Read options.py (what an installer writes), answer.py (what counts as a receipt, pure), sending.py.
"""

from gateway.uplinks.http.options import Options
from gateway.uplinks.http.sending import Uplink

__all__ = ["Options", "Uplink"]
