"""The arithmetic coder of H.265, as far as a strip of flat blocks needs it.

Keeps   Pure. Source: ITU-T H.265 9.3.4.3 (table of ranges, transitions) and 9.3.4.4 (encoding).
"""

from typing import Final

# 9-52: the range of the less probable symbol by state and by the upper bits of the range.
_LPS: Final = tuple(
    tuple(map(int, row.split()))
    for row in """
    128 176 208 240|128 167 197 227|128 158 187 216|123 150 178 205|116 142 169 195|111 135 160 185
    105 128 152 175|100 122 144 166|95 116 137 158|90 110 130 150|85 104 123 142|81 99 117 135
    77 94 111 128|73 89 105 122|69 85 100 116|66 80 95 110|62 76 90 104|59 72 86 99
    56 69 81 94|53 65 77 89|51 62 73 85|48 59 69 80|46 56 66 76|43 53 63 72
    41 50 59 69|39 48 56 65|37 45 54 62|35 43 51 59|33 41 48 56|32 39 46 53
    30 37 43 50|29 35 41 48|27 33 39 45|26 31 37 43|24 30 35 41|23 28 33 39
    22 27 32 37|21 26 30 35|20 24 29 33|19 23 27 31|18 22 26 30|17 21 25 28
    16 20 23 27|15 19 22 25|14 18 21 24|14 17 20 23|13 16 19 22|12 15 18 21
    12 14 17 20|11 14 16 19|11 13 15 18|10 12 15 17|10 12 14 16|9 11 13 15
    9 11 12 14|8 10 12 14|8 9 11 13|7 9 11 12|7 9 10 12|7 8 10 11
    6 8 9 11|6 7 9 10|6 7 8 9|2 2 2 2
    """.strip()
    .replace("\n", "|")
    .split("|")
)
_AFTER_LPS: Final = (
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21,
    21, 22, 22, 23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34,
    34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63,
)  # fmt: skip


class Encoder:
    """Write the bins of one slice; `contexts` are initial values of table 9-5 and on, by name."""

    def __init__(self, contexts: dict[str, int], quantiser: int) -> None:
        self._states: dict[str, tuple[int, int]] = {
            name: _initial(value, quantiser) for name, value in contexts.items()
        }
        self._low, self._range = 0, 510
        self._first, self._outstanding = True, 0
        self._bits: list[str] = []

    def bin(self, name: str, value: int) -> None:
        """Write a bin of a context."""
        state, likely = self._states[name]
        less = _LPS[state][(self._range >> 6) & 3]
        self._range -= less
        if value != likely:
            self._low += self._range
            self._range = less
            self._states[name] = (_AFTER_LPS[state], likely if state else 1 - likely)
        else:
            self._states[name] = (min(state + 1, 62), likely)
        self._renormalise()

    def bypass(self, bins: str) -> None:
        """Write bins that are as likely as not."""
        for one in bins:
            self._low <<= 1
            if one == "1":
                self._low += self._range
            if self._low >= 1024:
                self._put("1")
                self._low -= 1024
            elif self._low < 512:
                self._put("0")
            else:
                self._low -= 512
                self._outstanding += 1

    def terminate(self, value: int) -> None:
        """Write the bin that says whether the slice ends here."""
        self._range -= 2
        if value:
            self._low += self._range
            self._range = 2
        self._renormalise()

    def ended(self) -> str:
        """Return all bits after terminate(1), without the stop bit of the payload."""
        self._put(str(self._low >> 9 & 1))
        # The last of these two bits would be the stop bit: with_stop_bit writes that one.
        return "".join(self._bits) + str(self._low >> 8 & 1)

    def _renormalise(self) -> None:
        while self._range < 256:
            if self._low < 256:
                self._put("0")
            elif self._low >= 512:
                self._low -= 512
                self._put("1")
            else:
                self._low -= 256
                self._outstanding += 1
            self._range <<= 1
            self._low <<= 1

    def _put(self, bit: str) -> None:
        if self._first:
            self._first = False
        else:
            self._bits.append(bit)
        self._bits.append(("0" if bit == "1" else "1") * self._outstanding)
        self._outstanding = 0


def _initial(value: int, quantiser: int) -> tuple[int, int]:
    """Return state and likely symbol (9.3.2.2)."""
    slope, offset = (value >> 4) * 5 - 45, ((value & 15) << 3) - 16
    state = min(126, max(1, (slope * min(51, max(0, quantiser)) >> 4) + offset))
    return (state - 64, 1) if state > 63 else (63 - state, 0)
