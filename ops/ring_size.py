"""Room for bursts in the embedded broker's log.

librdkafka's mock cluster keeps 5 MiB or 100,000 batches of each partition and has no call to change that. Another
team's producer cannot be held back by us, and a burst of a few seconds is longer than that. So the two numbers, which
lie side by side in each partition's structure, are raised where they lie: only when exactly as many such pairs are
found as there are partitions, and before the first client connects; else the log stays as small as it was, and that
is said.
"""

import ctypes
import re
import struct
from collections.abc import Iterator
from pathlib import Path

BURST_BYTES, BURST_BATCHES = 64 * 1024 * 1024, 10_000_000
_DEFAULT = struct.pack("@NN", 5 * 1024 * 1024, 100_000)
_RAISED = struct.pack("@NN", BURST_BYTES, BURST_BATCHES)
_WRITABLE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p \S+ \S+ \d+\s*(\S*)")


def widen(partitions: int) -> bool:
    """Raise the limits of the mock partitions of this process; whether exactly that many were found and raised."""
    needle = ctypes.create_string_buffer(_DEFAULT, len(_DEFAULT))
    ours = {ctypes.addressof(needle), *_addresses_in(_DEFAULT)}
    found = [address for address in _matches(needle) if address not in ours]
    if len(found) != partitions:
        return False
    for address in found:
        ctypes.memmove(address, _RAISED, len(_RAISED))
    return True


def _addresses_in(value: bytes) -> list[int]:
    """Where a bytes object keeps its bytes."""
    address = ctypes.cast(ctypes.c_char_p(value), ctypes.c_void_p).value
    return [] if address is None else [address]


def _matches(needle: "ctypes.Array[ctypes.c_char]") -> Iterator[int]:
    memmem = ctypes.CDLL(None).memmem
    memmem.restype = ctypes.c_void_p
    memmem.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t]
    for start, end in _writable_regions():
        at = memmem(start, end - start, needle, len(needle))
        while at:
            yield at
            at = memmem(at + 8, end - at - 8, needle, len(needle))


def _writable_regions() -> list[tuple[int, int]]:
    """The private writable memory of this process, stacks and the kernel's own pages left out."""
    regions = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        found = _WRITABLE.match(line)
        if found is not None and (not found[3].startswith("[") or found[3] == "[heap]"):
            regions.append((int(found[1], 16), int(found[2], 16)))
    return regions
