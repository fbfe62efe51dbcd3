"""Point lists: the spreadsheet an installer is handed, made into a file of devices.d/.

Owns    reading CSV and XLSX, telling columns by their headers, rows into [[device]] tables.
Needs   gateway.profile for what an address must hold, gateway.config for what a device may be.
Keeps   1. Text of a list is hostile: bounded, cleaned, never evaluated.
        2. Every row that is not taken is reported with its number and why; none is guessed.
        3. A file is written whole or not at all, and never over another unless asked.
        4. The same list gives the same ids and the same bytes.
"""

from gateway.pointlist.columns import MEANINGS
from gateway.pointlist.job import ListedDevice, PointList, PointListJob, RowFault
from gateway.pointlist.known import known_devices
from gateway.pointlist.rows import read_points
from gateway.pointlist.table import MAX_FILE_BYTES, MAX_ROWS, Table, read_table
from gateway.pointlist.writing import render, write_devices

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_ROWS",
    "MEANINGS",
    "ListedDevice",
    "PointList",
    "PointListJob",
    "RowFault",
    "Table",
    "known_devices",
    "read_points",
    "read_table",
    "render",
    "write_devices",
]
