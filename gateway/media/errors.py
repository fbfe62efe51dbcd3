"""The one error of this folder, and what becomes of it.

GatewayError
└── Unreadable   bytes that are no such picture, sound or box
                 from a camera: the unit is dropped and counted, the stream goes on
                 from a file: the file is read up to there, what follows is cut or reported
"""

from gateway.errors import GatewayError


class Unreadable(GatewayError):
    """Bytes that do not say what they should; the text names the first thing that is wrong."""
