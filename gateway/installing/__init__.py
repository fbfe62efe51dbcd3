"""What installers do from the console: change files, look for devices, see what they say.

house.py puts it together (console.install_asked.Installation); searching.py looks for what is
there, one search at a time; looking.py says what devices say, and what one would say. Read in this
order.
"""

from gateway.installing.house import Installing

__all__ = ["Installing"]
