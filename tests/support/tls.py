"""Authorities and certificates for tests, made with python3-cryptography."""

import datetime
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(**what):
    all_of_them = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                   "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{**dict.fromkeys(all_of_them, False), **what})


def _pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def _replace(path, data):
    """As a careful tool does it: a reader sees the old or the new file."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(data)
    os.replace(beside, path)


class Authority:
    """A CA in `directory`; `path` is its certificate."""

    def __init__(self, directory, name="test authority"):
        self.dir = Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.key, self.name = ec.generate_private_key(ec.SECP256R1()), _name(name)
        self.cert = self._build(self.name, self.key.public_key(), 3650).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(
            _usage(key_cert_sign=True), critical=True).sign(self.key, hashes.SHA256())
        self.path = self.dir / "ca.crt"
        self.path.write_bytes(self.cert.public_bytes(serialization.Encoding.PEM))

    def _build(self, subject, public_key, days):
        now = datetime.datetime.utcnow()
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
                .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=30))
                .not_valid_after(now + datetime.timedelta(days=days)))

    def issue(self, name="server", address="127.0.0.1", days=30, more=()):
        """(certificate, key), two files, for an address and `more`; over those of the same name. Negative `days`:
        expired."""
        names = [x509.IPAddress(ipaddress.ip_address(one)) for one in (address, *more)]
        return self._issue(name, days, (x509.SubjectAlternativeName(names), False))

    def issue_signer(self, name="signer", days=30):
        """(chain, key), two files, for one who signs code."""
        paths = self._issue(name, days, (_usage(digital_signature=True), True),
                            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False))
        _replace(paths[0], paths[0].read_bytes() + self.path.read_bytes())
        return paths

    def _issue(self, name, days, *extensions):
        key = ec.generate_private_key(ec.SECP256R1())
        cert = self._build(_name(name), key.public_key(), days)
        for extension, critical in extensions:
            cert = cert.add_extension(extension, critical=critical)
        paths = self.dir / f"{name}.crt", self.dir / f"{name}.key"
        _replace(paths[1], _pem(key))
        _replace(paths[0], cert.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return paths
