"""A bounded store of bytes on this disk, for what can be had again: never needed to be right, never allowed to grow."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import structlog
from rocksdict import BlockBasedOptions, DBCompactionStyle, FifoCompactOptions, Options, Rdict, WriteBatch

from schemas.settings import MIB
from schemas.unstalled import is_held_back, unstalled

LEAST_BYTES = 2 * MIB
AGAIN_S = 30.0
FILTER_BITS = 10.0

log = structlog.get_logger()


class BoundedStore:
    """Keys and values in RocksDB with FIFO compaction: above `max_bytes` the oldest file goes as a whole.

    One process at a time has the folder. Whatever the database stumbles over makes it start again empty, with a log
    line; while a folder cannot be had at all (a full disk, another process) the store keeps nothing, and looks again
    every `again_s`.
    """

    def __init__(self, folder: Path, max_bytes: int, again_s: float = AGAIN_S) -> None:
        self._again_s, self._open_at_s = again_s, 0.0
        # A full disk would hold a write back inside RocksDB, and its caller with it.
        self._writes = unstalled()
        self.max_bytes = max(max_bytes, LEAST_BYTES)
        self._folder, self._closed = folder, False
        self._db: Rdict | None = self._open()

    def get(self, key: bytes) -> bytes | None:
        """The value, None when there is none (any more)."""
        if self._db is None:
            return None
        try:
            value: bytes | None = self._db.get(key)
        except Exception as error:  # noqa: BLE001  RocksDB's errors have no common class but this
            self._start_again(error)
            return None
        return value

    def put(self, pairs: Mapping[bytes, bytes]) -> None:
        """Keeps them; when the disk does not take them they are not kept, and that is all."""
        if self._db is None and not self._closed and time.monotonic() >= self._open_at_s:
            self._db = self._open()
        if self._db is None or not pairs:
            return
        batch = WriteBatch(raw_mode=True)
        for key, value in pairs.items():
            batch.put(key, value)
        try:
            self._db.write(batch, self._writes)
        except Exception as error:  # noqa: BLE001  as above
            if not is_held_back(error):
                self._start_again(error)

    @property
    def writes(self) -> int:
        """How many values were ever put, as an age: what was put `n` writes ago is that old."""
        return 0 if self._db is None else int(self._db.latest_sequence_number())

    def size_bytes(self) -> int:
        """Bytes of its files on disk."""
        return sum(path.stat().st_size for path in self._folder.glob("*.sst") if path.exists())

    def close(self) -> None:
        """Gives the folder back."""
        self._closed = True
        if self._db is not None:
            self._db.close()
            self._db = None

    def _start_again(self, error: Exception) -> None:
        if self._db is not None:
            try:
                self._db.close()
            except Exception as closing:  # noqa: BLE001  it is thrown away anyway
                log.debug("cache_not_closed", error=str(closing))
        self._db = None
        self._throw_away(error)
        self._db = self._try_open()

    def _open(self) -> Rdict | None:
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            return Rdict(str(self._folder), options=_options(self.max_bytes))
        except Exception as error:  # noqa: BLE001  as above
            if "lock" in str(error).lower():
                log.warning("cache_in_use", folder=str(self._folder), error=str(error))
                self._open_at_s = time.monotonic() + self._again_s
                return None
            self._throw_away(error)
            return self._try_open()

    def _try_open(self) -> Rdict | None:
        try:
            return Rdict(str(self._folder), options=_options(self.max_bytes))
        except Exception as error:  # noqa: BLE001  as above
            log.warning("cache_cannot_be_opened", folder=str(self._folder), error=str(error))
            self._open_at_s = time.monotonic() + self._again_s
            return None

    def _throw_away(self, error: Exception) -> None:
        log.warning("cache_thrown_away", folder=str(self._folder), error=str(error))
        shutil.rmtree(self._folder, ignore_errors=True)


def _options(max_bytes: int) -> Options:
    """Files of a sixteenth of the bound, so that as much goes at a time.

    Raw mode keeps bytes as bytes. Files are all of level 0 with this compaction: without the two triggers RocksDB
    would hold writes back because of their number.
    """
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    fifo = FifoCompactOptions()
    fifo.max_table_files_size = max_bytes
    options.set_compaction_style(DBCompactionStyle.fifo())
    options.set_fifo_compaction_options(fifo)
    # Without filters, what is not there would be looked for in every file.
    tables = BlockBasedOptions()
    tables.set_bloom_filter(FILTER_BITS, False)
    options.set_block_based_table_factory(tables)
    options.set_write_buffer_size(max(max_bytes // 16, LEAST_BYTES // 16))
    options.set_level_zero_slowdown_writes_trigger(10_000)
    options.set_level_zero_stop_writes_trigger(20_000)
    options.set_keep_log_file_num(2)
    return options
