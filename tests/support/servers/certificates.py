"""Certificates for an hour: an authority of the test's own, and what it signs. Writes PEM files, opens nothing."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Certificate:
    """Files in PEM; `combined` holds the key and then the certificate, as Kafka wants its key store."""

    certificate: Path
    key: Path
    combined: Path


class Authority:
    """A certificate authority that nobody trusts who was not handed its `cafile`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = _name(f"{name} authority")
        self._key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        usage = _key_usage(signs_certificates=True)
        builder = _builder(self._name, self._name, self._key.public_key(), self._key.public_key())
        self.cafile = folder / f"{name}-ca.pem"
        certificate = (
            builder.add_extension(constraints, critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.cafile.write_bytes(_pem(certificate))

    def sign(self, name: str, *, addresses: tuple[str, ...] = (), names: tuple[str, ...] = ()) -> Certificate:
        """A server's certificate that holds for these IP addresses and host names and for no other."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName(
            [
                *(x509.IPAddress(ipaddress.ip_address(each)) for each in addresses),
                *(x509.DNSName(each) for each in names),
            ]
        )
        builder = _builder(_name(name), self._name, key.public_key(), self._key.public_key())
        certificate = (
            builder.add_extension(alternatives, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return self._write(name, certificate, key)

    def _write(
        self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
    ) -> Certificate:
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        paths = [self._folder / f"{name}{ending}.pem" for ending in ("", "-key", "-combined")]
        for path, text in zip(paths, (_pem(certificate), secret, secret + _pem(certificate)), strict=True):
            path.write_bytes(text)
        return Certificate(*paths)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _HOUR)
        .not_valid_after(now + _HOUR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
