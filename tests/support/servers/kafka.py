"""Apache Kafka as deployments have it: with TLS, users and passwords. Built on the embedded broker."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from streams.embedded.broker import BrokerHandle, embedded_broker


@dataclass(frozen=True)
class Security:
    """Listeners with TLS and SASL beside the plain one, on which the broker talks to itself.

    `keystore` is a PEM file of the key and the certificate. Every user has one password, known to PLAIN
    and to both kinds of SCRAM; the latter are written when the storage is formatted.
    """

    keystore: Path
    users: Mapping[str, str]

    def properties(self) -> dict[str, str]:
        """Lines of server.properties, beside the listeners themselves."""
        known = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        plain = f"org.apache.kafka.common.security.plain.PlainLoginModule required {known};"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        modules = {"plain": plain, "scram-sha-256": scram, "scram-sha-512": scram}
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.keystore),
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        } | {
            f"listener.name.{listener.lower()}.{mechanism}.sasl.jaas.config": module
            for listener in ("SASL_SSL", "SASL_PLAINTEXT")
            for mechanism, module in modules.items()
        }

    def format_options(self) -> list[str]:
        """Options of the storage tool."""
        return [
            f"--add-scram={mechanism}=[name={name},password={password}]"
            for name, password in self.users.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]


@contextlib.contextmanager
def secured_broker(security: Security, properties: Mapping[str, str] | None = None) -> Iterator[BrokerHandle]:
    """A broker with all secured listeners; `ports` are theirs, by security protocol."""
    with embedded_broker(
        properties=security.properties() | dict(properties or {}),
        listeners=("SSL", "SASL_SSL", "SASL_PLAINTEXT"),
        format_options=security.format_options(),
    ) as handle:
        yield handle
