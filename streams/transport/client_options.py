"""From ``Settings`` to the keyword arguments of the Kafka clients. Opens no connection.

kafka-python and aiokafka spell security alike; the functions are two so that a caller names the
library it hands the options to, and a difference between them has its place.
"""

import ssl
from typing import Any

from metrics.values.errors import SettingError
from streams.settings import Settings


def kafka_python_options(settings: Settings) -> dict[str, Any]:
    """Options of ``KafkaAdminClient``, ``KafkaProducer`` and ``KafkaConsumer``.

    Raises:
        SettingError: when SASL misses its user or password, or the CA file cannot be used.
    """
    return _options(settings)


def aiokafka_options(settings: Settings) -> dict[str, Any]:
    """Options of ``AIOKafkaProducer``, ``AIOKafkaConsumer`` and ``AIOKafkaAdminClient``.

    Raises:
        SettingError: when SASL misses its user or password, or the CA file cannot be used.
    """
    return _options(settings)


def log_options(settings: Settings) -> dict[str, Any]:
    """Options of an ``AIOKafkaConsumer`` that reads logs from their first record and without a group: committed records only.

    Raises:
        SettingError: as ``aiokafka_options``.
    """
    return {
        "group_id": None,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        **_options(settings),
    }


def _options(settings: Settings) -> dict[str, Any]:
    protocol = settings.broker_security_protocol
    options: dict[str, Any] = {"bootstrap_servers": settings.bootstrap, "security_protocol": protocol}
    if protocol.endswith("SSL"):
        options["ssl_context"] = ssl_context(settings)
    if protocol.startswith("SASL"):
        options |= _sasl(settings)
    return options


def ssl_context(settings: Settings) -> ssl.SSLContext:
    """A client context that trusts the CA file named by the settings, else the system's authorities.

    Raises:
        SettingError: when the CA file cannot be read or holds no certificate.
    """
    cafile = settings.broker_ssl_cafile
    try:
        return ssl.create_default_context(cafile=str(cafile) if cafile else None)
    except (OSError, ssl.SSLError) as error:
        raise SettingError(
            f"ROISTREAM_BROKER_SSL_CAFILE: {cafile} is not a readable PEM file of certificates ({error})."
        ) from error


def _sasl(settings: Settings) -> dict[str, Any]:
    password = settings.broker_sasl_password
    if settings.broker_sasl_username is None or password is None:
        missing = "PASSWORD" if settings.broker_sasl_username else "USERNAME"
        raise SettingError(
            f"ROISTREAM_BROKER_SASL_{missing}: {settings.broker_security_protocol} needs it; set it, "
            "or set ROISTREAM_BROKER_SECURITY_PROTOCOL to PLAINTEXT or SSL."
        )
    return {
        "sasl_mechanism": settings.broker_sasl_mechanism,
        "sasl_plain_username": settings.broker_sasl_username,
        "sasl_plain_password": password.get_secret_value(),
    }
