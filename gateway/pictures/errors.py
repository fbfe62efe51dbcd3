"""What can be wrong with a picture; both are tried again by whoever wants one.

PictureError
├── NoPicture      there is none at that time, or none that decodes   asked again later, or told
└── PicturesDown   the process that decodes is away or too slow       asked again after a pause
"""

from gateway.errors import GatewayError


class PictureError(GatewayError):
    """No picture came of it."""


class NoPicture(PictureError):
    """Nothing is recorded there, or what is does not decode."""


class PicturesDown(PictureError):
    """The pictures process did not answer; its supervisor starts it again."""
