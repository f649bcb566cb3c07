"""How Kafka is reached: one section of settings for every client of every role."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

LOCAL = "local"


def _doc(text: str) -> Meta:
    return Meta(description=text)


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True):
    bootstrap_servers: Annotated[
        str, _doc("host:port of a Kafka cluster; local: a durable one that `up` runs; empty: the embedded broker")
    ] = ""
    partitions: Annotated[
        int, _doc("partitions of every topic keyed by item, fixed at the first start"), Meta(ge=1)
    ] = 12
    embedded: Annotated[bool, _doc("the broker is the embedded one (set by `up` for its children)")] = False
    replication: Annotated[int, _doc("replicas of each topic created on a real cluster"), Meta(ge=1)] = 1
    session_timeout_ms: Annotated[int, _doc("how long a silent stream worker keeps its partitions"), Meta(ge=1000)] = (
        6000
    )
    backlog_mib: Annotated[
        float, _doc("unread MiB per partition above which our producers wait (embedded broker)"), Meta(gt=0)
    ] = 2.0
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        _doc("PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL: how every client talks to the cluster"),
    ] = "PLAINTEXT"
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], _doc("PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, with SASL")
    ] = "PLAIN"
    sasl_username: Annotated[str, _doc("the user's name, with SASL")] = ""
    sasl_password: Annotated[str, _doc("the user's password, with SASL")] = ""
    ssl_ca: Annotated[
        str, _doc("file of the certificates (PEM) that the brokers' are checked against; empty: the system's")
    ] = ""
    ssl_certificate: Annotated[str, _doc("file of the client's own certificate (PEM), where brokers ask for one")] = ""
    ssl_key: Annotated[str, _doc("file of that certificate's private key (PEM)")] = ""
    ssl_key_password: Annotated[str, _doc("the private key's password, where it has one")] = ""

    @property
    def is_named(self) -> bool:
        """Whether a cluster's address is set, rather than that this machine brings a broker of its own."""
        return self.bootstrap_servers not in ("", LOCAL)
