"""Certificates for the TLS tests: two authorities, a server's chain, clients of both, made anew for each test run."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization


class Certificates:
    """Files of one folder: ``ca``, ``other_ca``, and certificate and key of ``server``, ``client``, ``stranger``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority, other = trustme.CA(), trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        other.cert_pem.write_to_path(str(folder / "other_ca.pem"))
        self.ca, self.other_ca = folder / "ca.pem", folder / "other_ca.pem"
        self.server, self.server_key = self._write("server", authority.issue_cert("localhost", "127.0.0.1"))
        self.renewed, self.renewed_key = self._write("renewed", authority.issue_cert("localhost", "127.0.0.1"))
        self.client, self.client_key = self._write("client", authority.issue_cert("client@example.org"))
        self.stranger, self.stranger_key = self._write("stranger", other.issue_cert("client@example.org"))
        self.encrypted_key = folder / "encrypted.key"
        self.encrypted_key.write_bytes(_encrypted(self.server_key.read_bytes(), b"hunter2"))

    def _write(self, name: str, made: trustme.LeafCert) -> tuple[Path, Path]:
        chain, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        made.private_key_pem.write_to_path(str(key))
        return chain, key

    def options(self, *more: str) -> list[str]:
        """Return the server's command line options, clients unchecked unless ``more`` says otherwise."""
        return [
            *("--tls-cert-file", str(self.server), "--tls-key-file", str(self.server_key)),
            *("--tls-ca-cert-file", str(self.ca), "--tls-auth-clients", "no", *more),
        ]

    def context(self, who: str = "") -> ssl.SSLContext:
        """Return a client's context, with the certificate of ``client`` or ``stranger`` if asked for."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if who:
            context.load_cert_chain(self.folder / f"{who}.pem", self.folder / f"{who}.key")
        return context


def _encrypted(key: bytes, password: bytes) -> bytes:
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
