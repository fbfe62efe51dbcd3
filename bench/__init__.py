"""The benchmark table: the gateway, its peers and the raw limits of this machine, in one run.

Read README.md for how to read the figures; then table.py (what a figure is), rig.py (what is
started) and rows/ (what is measured).
"""
