"""What a shard knows of each item, on disk: RocksDB with one record per item, the pictures by fingerprint, and the
offsets applied.

Changes are kept in memory and written in batches: two changes of one item in a row, as an upsert is, cost one write.
"""

import shutil
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import stamina
import structlog
from rocksdict import BlockBasedOptions, Cache, Checkpoint, Options, Rdict, WriteBatch

from schemas.disk import cannot_write, disk_reason
from schemas.errors import Busy, DiskFailed
from schemas.item_state import Stamp
from schemas.unstalled import is_held_back, unstalled

Offsets = dict[str, dict[int, int]]
BATCH_RECORDS = 512
# Bounds on what RocksDB keeps in memory.
WRITE_BUFFER_BYTES, CACHE_BYTES, BLOOM_BITS = 2 << 20, 4 << 20, 10
# RocksDB holds writes back while it flushes and compacts; a full disk is another error before that.
STALL_S = 10.0
_ITEM, _PICTURE, _OFFSETS_KEY = b"i", b"f", b"m:offsets"
_ordinal = struct.Struct("<q")

log = structlog.get_logger()


class ItemRecord(msgspec.Struct, frozen=True, array_like=True):
    """One item: its state as JSON (None: not seen yet), and its pictures as of `image_at`.

    `number` is the item's in the id map while it has pictures, else -1. `ordinals` are its pictures, `fingerprints`
    what each shows. `image_at` stays when the pictures go, so that an older vector record is known as one. Times are
    microseconds since the epoch.
    """

    state: bytes | None = None
    image_at: Stamp | None = None
    ordinals: tuple[int, ...] = ()
    fingerprints: tuple[bytes, ...] = ()
    event_us: int = 0
    searchable_us: int = 0
    number: int = -1


EMPTY_RECORD = ItemRecord()
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ItemRecord)
_offsets_decoder = msgspec.msgpack.Decoder(Offsets)


class ItemStore:
    """The records in a RocksDB folder of its own; one thread writes, any may read records.

    It is a working copy, thrown away and made from a snapshot at every start; so it writes no log of its own. What a
    full disk does not take stays in memory; RocksDB goes on by itself some seconds after there is room again.
    """

    def __init__(self, folder: Path) -> None:
        """Open or make it.

        Raises:
            DiskFailed: the disk is full or read-only.
        """
        self._folder = folder
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._db = Rdict(str(folder), _options())
        except Exception as error:
            raise self._failure(error) from error
        # Held back by a full disk, a write would wait inside RocksDB, where nobody could say why.
        writes = unstalled()
        writes.disable_wal = True
        self._writes = writes
        self._db.set_write_options(writes)
        # What was not written yet, by item id and by fingerprint; looked at first, and replaced after it was written.
        self._records: dict[str, ItemRecord] = {}
        self._pictures: dict[bytes, int | None] = {}

    def get(self, item_id: str) -> ItemRecord:
        """The item's record; the empty one for an item never seen."""
        waiting = self._records.get(item_id)
        if waiting is not None:
            return waiting
        value = self._db.get(_ITEM + item_id.encode())
        return EMPTY_RECORD if value is None else _decoder.decode(value)

    def put(self, item_id: str, record: ItemRecord) -> None:
        """Keep the item's record; the empty one is forgotten."""
        self._records[item_id] = record

    def picture(self, fingerprint: bytes) -> int | None:
        """The ordinal of the picture with this fingerprint."""
        if fingerprint in self._pictures:
            return self._pictures[fingerprint]
        value = self._db.get(_PICTURE + fingerprint)
        return None if value is None else int(_ordinal.unpack(value)[0])

    def put_picture(self, fingerprint: bytes, ordinal: int | None) -> None:
        """Keep the ordinal of a picture; None forgets it."""
        self._pictures[fingerprint] = ordinal

    @property
    def full(self) -> bool:
        """Whether enough waits for a batch."""
        return len(self._records) + len(self._pictures) >= BATCH_RECORDS

    def write_if_full(self) -> None:
        """Write what waits when it is enough for a batch; never between two changes that belong together.

        What the disk does not take waits on: `make_room` says so before the next change.
        """
        if self.full:
            with suppress(DiskFailed, Busy):
                self.write()

    def make_room(self) -> None:
        """Called before a change: see that there is room in memory for what it writes.

        Raises:
            DiskFailed: a batch waits that the disk does not take.
            Busy: RocksDB holds writes back for a moment.
        """
        if self.full:
            self.write()

    def write(self) -> None:
        """Write everything that waits.

        Raises:
            DiskFailed: the disk is full or read-only; everything waits on.
            Busy: RocksDB holds writes back for a moment.
        """
        batch = WriteBatch(raw_mode=True)
        for item_id, record in self._records.items():
            key = _ITEM + item_id.encode()
            if record == EMPTY_RECORD:
                batch.delete(key)
            else:
                batch.put(key, _encoder.encode(record))
        for fingerprint, ordinal in self._pictures.items():
            if ordinal is None:
                batch.delete(_PICTURE + fingerprint)
            else:
                batch.put(_PICTURE + fingerprint, _ordinal.pack(ordinal))
        try:
            self._db.write(batch, self._writes)
        except Exception as error:
            raise self._failure(error) from error
        self._records, self._pictures = {}, {}

    def records(self) -> Iterator[tuple[str, ItemRecord]]:
        """Every item's record, in the order of their ids' bytes."""
        self._write_out()
        for key, value in self._db.items(from_key=_ITEM):
            if not key.startswith(_ITEM):
                return
            yield key[len(_ITEM) :].decode(), _decoder.decode(value)

    def offsets(self) -> Offsets:
        """The offsets kept by the last `checkpoint`: the next to be applied, per topic and partition."""
        value = self._db.get(_OFFSETS_KEY)
        return {} if value is None else _offsets_decoder.decode(value)

    def checkpoint(self, folder: Path, offsets: Offsets) -> None:
        """A copy of everything as of now in a new folder, sharing no file with the working copy.

        RocksDB's own checkpoint shares files by hard links; they are copied here, so that damage to one snapshot's
        file is not damage to every snapshot's.
        """
        self._write_out()
        self._db[_OFFSETS_KEY] = _encoder.encode(offsets)
        self._db.flush(True)
        linked = folder.with_name(folder.name + ".linked")
        Checkpoint(self._db).create_checkpoint(str(linked))
        shutil.copytree(linked, folder)
        shutil.rmtree(linked)

    def close(self) -> None:
        """Give the folder back; a working copy that a full disk keeps from being closed well is thrown away as well."""
        try:
            self._db.close()
        except Exception as error:  # noqa: BLE001  RocksDB's errors have no common class but this
            log.warning("item_store_not_closed", folder=str(self._folder), error=str(error))

    def _write_out(self) -> None:
        for attempt in stamina.retry_context(on=Busy, attempts=None, timeout=STALL_S, wait_initial=0.01, wait_max=0.1):
            with attempt:
                self.write()

    def _failure(self, error: Exception) -> Exception:
        """What RocksDB said (its errors have no common class), as ours where the disk or its pace is to blame."""
        if is_held_back(error):
            return Busy("the item store holds writes back")
        reason = disk_reason(error)
        return error if reason is None else cannot_write("items", self._folder, reason)


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_max_open_files(64)
    options.set_keep_log_file_num(1)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(3)
    table = BlockBasedOptions()
    table.set_block_cache(Cache(CACHE_BYTES))
    table.set_bloom_filter(BLOOM_BITS, False)
    options.set_block_based_table_factory(table)
    return options
