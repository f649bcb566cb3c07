"""RocksDB's writes where it would hold them back, as for as long as a disk is full: these fail at once instead."""

from rocksdict import WriteOptions

_SAID = "Result incomplete"


def unstalled() -> WriteOptions:
    """Options of a write that is never held back."""
    options = WriteOptions()
    options.no_slowdown = True
    return options


def is_held_back(error: BaseException) -> bool:
    """Whether such a write failed for that alone; RocksDB's errors have no class that tells."""
    return str(error).startswith(_SAID)
