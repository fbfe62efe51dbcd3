"""The Modbus side of the benchmark: a device in C, the gateway in front of it, loops to compare.

Read device.py (what is polled), site.py (the gateway that polls it), then bench/rows/modbus.py.
"""
