"""How cameras are asked by ONVIF: where their streams are, and what they have to report.

Read settings.py, then soap.py and xml.py (bytes), connection.py (one camera), device.py and
media.py (what it is), events.py and pullpoint.py (what it reports), discovery.py (who is there).

Nothing is imported here: the video process needs settings.py and streams.py and must not pay for
the HTTP client of the others.
"""
