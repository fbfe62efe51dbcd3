"""What installers do from the console: change files, look for devices, see what they say.

house.py puts it together (console.install_asked.Installation); searching.py looks for what is
there, one search at a time; looking.py says what devices say, and what one would say. Read in this
order; then traces.py (five minutes of a device's numbers), cameras.py (a camera that is not saved
yet), advice.py (how each search ends: a reason and a next step).
"""

from gateway.installing.house import Installing

__all__ = ["Installing"]
