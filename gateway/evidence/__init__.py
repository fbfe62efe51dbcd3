"""Evidence packages: one file that proves itself. FORMAT.md specifies it, decision 0016 says why.

Read `wanted.py` and `build.py` first, then `verifier.py`, which stands alone and travels along.

Owns    STORE/evidence-key; what a package is.
Needs   gateway.store (reading only), gateway.config, gateway.rules.alarm; no intake, no console.
Keeps   Whoever hands a package out writes Built.entry() into the audit trail before that.
"""

from gateway.evidence.build import Builder, Built, Stopped
from gateway.evidence.key import SigningKey, open_key
from gateway.evidence.package import ExportError
from gateway.evidence.wanted import Limits, NothingThere, Person, Wanted

__all__ = [
    "Builder",
    "Built",
    "ExportError",
    "Limits",
    "NothingThere",
    "Person",
    "SigningKey",
    "Stopped",
    "Wanted",
    "open_key",
]
