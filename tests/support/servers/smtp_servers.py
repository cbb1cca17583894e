"""Real mail servers on loopback that accept, reject and delay mails as a test wants."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.conftest import free_port


@dataclass
class Mailbox:
    """The mails received, and the server's replies. `replies` are for the next mails; later ones are accepted."""

    received: list[EmailMessage] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    replies: list[str] = field(default_factory=list)
    delay_seconds: float = 0.0
    address: str = ""

    async def handle_RCPT(
        self, server: Server, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if address in self.rejected:
            return self.rejected[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:
        if self.replies:
            return self.replies.pop(0)
        self.received.append(message_from_bytes(envelope.content or b"", policy=policy.default))
        self.senders.append(str(envelope.mail_from))
        self.recipients += envelope.rcpt_tos
        await asyncio.sleep(self.delay_seconds)
        return "250 Message accepted for delivery"


def _login(user: str, password: str) -> Any:
    def check(server: Server, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        right = isinstance(given, LoginPassword) and (given.login, given.password) == (user.encode(), password.encode())
        return AuthResult(success=right, handled=False)

    return check


@contextmanager
def mail_server(
    *,
    tls: ssl.SSLContext | None = None,
    login: tuple[str, str] | None = None,
    secure: bool = False,
    smtputf8: bool = True,
) -> Iterator[Mailbox]:
    """Run a server until the block ends. It offers `tls`, or starts with it when `secure`, and requires `login`."""
    mailbox = Mailbox()
    options: dict[str, Any] = {"ssl_context" if secure else "tls_context": tls} if tls else {}
    options |= {"authenticator": _login(*login), "auth_required": True} if login else {}
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=smtputf8, **options)
    controller.start()
    try:
        mailbox.address = f"127.0.0.1:{controller.port}"
        yield mailbox
    finally:
        controller.stop()


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for 127.0.0.1: the file to trust, and the server's context."""
    key, file = ec.generate_private_key(ec.SECP256R1()), folder / "server.pem"
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(built.public_bytes(Encoding.PEM) + secret)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return file, context
