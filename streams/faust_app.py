"""How our Faust apps are configured, in one place: raw bytes in and out, nothing created, nothing served."""

import asyncio
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from schemas.kafka_clients import MAX_MESSAGE_BYTES
from schemas.kafka_security import ssl_context, uses_sasl
from schemas.settings import KafkaSettings

if TYPE_CHECKING:
    import faust

OVERHEAD_BYTES = 64 * 1024
COMMIT_INTERVAL_S = 0.5
BUFFERED_RECORDS = 1024
BATCH_BYTES = 500_000
LINGER_S = 0.005
# After this long a record on its way is given up, which ends the worker; a broker may be away for hours.
PRODUCER_PATIENCE_S = 86_400.0
# A broker that just came back may not name its topics yet, and the group waits until it has asked again.
METADATA_AGE_MS = 3000

log = structlog.get_logger()


def make_app(group: str, kafka: KafkaSettings, folder: Path, *, plain: bool = False) -> "faust.App":
    """An app that is one member of a consumer group; `folder` keeps its tables.

    A `plain` one has the same settings and Faust's own consumer instead of ours: what a user of Faust would get.
    """
    # Faust and what it stands on use what newer libraries deprecate.
    for package in ("faust", "mode", "aiokafka", "venusian"):
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=rf"{package}(\..*)?")
    import faust

    from streams.prompt_transport import PromptTransport
    from streams.state_table import StateTable

    folder.mkdir(parents=True, exist_ok=True)
    session_s = kafka.session_timeout_ms / 1000
    servers = ";".join(f"kafka://{server}" for server in kafka.bootstrap_servers.split(","))
    app = faust.App(
        group,
        broker=servers,
        broker_credentials=credentials_of(kafka),
        datadir=str(folder),
        store="rocksdb://?driver=rocksdict",
        Table=StateTable,
        key_serializer="raw",
        value_serializer="raw",
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / 4,
        broker_commit_interval=COMMIT_INTERVAL_S,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=METADATA_AGE_MS,
        consumer_max_fetch_size=MAX_MESSAGE_BYTES + OVERHEAD_BYTES,
        stream_buffer_maxsize=BUFFERED_RECORDS,
        producer_acks=-1,
        producer_compression_type="lz4",
        producer_linger=LINGER_S,
        producer_request_timeout=PRODUCER_PATIENCE_S,
        producer_max_batch_size=BATCH_BYTES,
        producer_max_request_size=MAX_MESSAGE_BYTES + OVERHEAD_BYTES,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=kafka.partitions,
        web_enabled=False,
    )
    if not plain:
        app.transport = PromptTransport(app.conf.broker_consumer, app)
    return app


async def leave_group(app: "faust.App", agent: str, within_s: float) -> None:
    """Stop an app within so many seconds, broker or no broker.

    What is buffered inside Faust was not taken: it is read again by whoever comes next.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is meant to be read late
        app.conf.stream_wait_empty = False
    try:
        async with asyncio.timeout(within_s):
            await app.stop()
    except TimeoutError:
        log.warning("group_not_left", agent=agent)


def credentials_of(kafka: KafkaSettings) -> "faust.SASLCredentials | faust.SSLCredentials | None":
    """How Faust's clients log in and encrypt; None when they do neither."""
    import faust

    context = ssl_context(kafka)
    if uses_sasl(kafka):
        return faust.SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password,
            ssl_context=context,
            mechanism=kafka.sasl_mechanism,
        )
    return None if context is None else faust.SSLCredentials(context)


def raw_topic(app: "faust.App", name: str, partitions: int) -> "faust.TopicT":
    """A topic of bytes, whose null values are records too."""
    return app.topic(
        name,
        partitions=partitions,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
    )
