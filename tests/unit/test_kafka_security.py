"""Encryption and log-in: one section of settings reaches librdkafka's and Faust's clients alike."""

import datetime
import ssl
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schemas.errors import SettingsError
from schemas.kafka_clients import common_config, make_producer, make_reader
from schemas.settings import KafkaSettings

NOBODY = "127.0.0.1:1"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"of the key"),
        )
    )
    return files


def tls(certificate: tuple[Path, Path], protocol: str = "SASL_SSL", **more: str) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=NOBODY,
        security_protocol=protocol,  # type: ignore[arg-type]
        ssl_ca=str(certificate[0]),
        ssl_certificate=str(certificate[0]),
        ssl_key=str(certificate[1]),
        ssl_key_password="of the key",
        **more,
    )


def test_librdkafka_is_told_everything(certificate: tuple[Path, Path]) -> None:
    kafka = tls(certificate, sasl_mechanism="SCRAM-SHA-512", sasl_username="me", sasl_password="secret")
    config = common_config(kafka)
    wanted = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": "secret",
        "ssl.ca.location": str(certificate[0]),
        "ssl.certificate.location": str(certificate[0]),
        "ssl.key.location": str(certificate[1]),
        "ssl.key.password": "of the key",
    }
    assert wanted.items() <= config.items()
    # librdkafka itself takes them: it reads the files and finds the mechanism.
    AdminClient(config)
    make_producer(kafka)
    consumer: Consumer = make_reader(kafka)
    consumer.close()


def test_faust_is_told_the_same(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    from streams.faust_app import credentials_of, make_app

    kafka = tls(certificate, sasl_mechanism="SCRAM-SHA-256", sasl_username="me", sasl_password="secret")
    app = make_app("group", kafka, tmp_path / "app")
    (told,) = [app.conf.broker_credentials]
    assert (told.protocol.value, told.mechanism.value) == ("SASL_SSL", "SCRAM-SHA-256")
    assert (told.username, told.password) == ("me", "secret")
    assert told.ssl_context.verify_mode is ssl.CERT_REQUIRED
    assert [c["subject"] for c in told.ssl_context.get_ca_certs()] == [((("commonName", "broker"),),)]

    encrypted = credentials_of(tls(certificate, "SSL"))
    assert encrypted is not None and encrypted.protocol.value == "SSL"
    open_log_in = KafkaSettings(security_protocol="SASL_PLAINTEXT", sasl_username="me", sasl_password="secret")
    told = credentials_of(open_log_in)
    assert told.protocol.value == "SASL_PLAINTEXT" and told.ssl_context is None
    assert credentials_of(KafkaSettings()) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"security_protocol": "SASL_SSL"}, "SASL_USERNAME and LOOKALIVE_KAFKA__SASL_PASSWORD"),
        ({"sasl_username": "me", "sasl_password": "secret"}, "logs nobody in"),
        ({"ssl_ca": "/etc/hosts"}, "does not encrypt"),
        ({"security_protocol": "SSL", "ssl_ca": "/no/such.pem"}, "there is no file /no/such.pem"),
    ],
)
def test_what_does_not_fit_is_said(settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        common_config(KafkaSettings(bootstrap_servers=NOBODY, **settings))
    assert "secret" not in caught.value.message


def test_a_file_without_a_certificate_is_said(tmp_path: Path) -> None:
    from streams.faust_app import credentials_of

    wrong = tmp_path / "ca.pem"
    wrong.write_text("no certificate")
    with pytest.raises(SettingsError, match="cannot be used"):
        credentials_of(KafkaSettings(security_protocol="SSL", ssl_ca=str(wrong)))
