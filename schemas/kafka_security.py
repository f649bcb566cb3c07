"""Encryption and log-in, as librdkafka and Python's TLS want to be told of them."""

import ssl
from pathlib import Path
from typing import Any

from schemas.errors import SettingsError
from schemas.kafka_settings import KafkaSettings


def uses_sasl(kafka: KafkaSettings) -> bool:
    """Whether clients log in."""
    return kafka.security_protocol.startswith("SASL_")


def uses_tls(kafka: KafkaSettings) -> bool:
    """Whether connections are encrypted."""
    return kafka.security_protocol.endswith("SSL")


def librdkafka_security(kafka: KafkaSettings) -> dict[str, Any]:
    """The part of a librdkafka client's configuration that is about security; empty when there is none.

    Raises:
        SettingsError: a part is set that the protocol does not use, is missing, or names a file that cannot be read.
    """
    _check(kafka)
    if kafka.security_protocol == "PLAINTEXT":
        return {}
    config: dict[str, Any] = {"security.protocol": kafka.security_protocol}
    if uses_sasl(kafka):
        config |= {
            "sasl.mechanism": kafka.sasl_mechanism,
            "sasl.username": kafka.sasl_username,
            "sasl.password": kafka.sasl_password,
        }
    files = {
        "ssl.ca.location": kafka.ssl_ca,
        "ssl.certificate.location": kafka.ssl_certificate,
        "ssl.key.location": kafka.ssl_key,
        "ssl.key.password": kafka.ssl_key_password,
    }
    return config | {name: value for name, value in files.items() if value}


def ssl_context(kafka: KafkaSettings) -> ssl.SSLContext | None:
    """The TLS of Python's own Kafka clients (Faust's aiokafka); None without TLS.

    Raises:
        SettingsError: as for `librdkafka_security`, or a file holds no certificate.
    """
    _check(kafka)
    if not uses_tls(kafka):
        return None
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_ca or None)
        if kafka.ssl_certificate:
            context.load_cert_chain(kafka.ssl_certificate, kafka.ssl_key or None, kafka.ssl_key_password or "")
    except (ssl.SSLError, OSError) as error:
        raise SettingsError(f"the certificates of LOOKALIVE_KAFKA__SSL_* cannot be used: {error}") from error
    return context


def _check(kafka: KafkaSettings) -> None:
    protocol = f"LOOKALIVE_KAFKA__SECURITY_PROTOCOL={kafka.security_protocol}"
    if uses_sasl(kafka) != bool(kafka.sasl_username and kafka.sasl_password):
        raise SettingsError(
            f"{protocol} needs LOOKALIVE_KAFKA__SASL_USERNAME and LOOKALIVE_KAFKA__SASL_PASSWORD"
            if uses_sasl(kafka)
            else f"a user is set for Kafka, but {protocol} logs nobody in: set SASL_PLAINTEXT or SASL_SSL"
        )
    files = {"SSL_CA": kafka.ssl_ca, "SSL_CERTIFICATE": kafka.ssl_certificate, "SSL_KEY": kafka.ssl_key}
    for name, path in files.items():
        if path and not uses_tls(kafka):
            raise SettingsError(f"LOOKALIVE_KAFKA__{name} is set, but {protocol} does not encrypt: set SSL or SASL_SSL")
        if path and not Path(path).is_file():
            raise SettingsError(f"LOOKALIVE_KAFKA__{name}: there is no file {path}")
