"""Decrypt the payload of Engage's encrypted webhooks: AES-256-CBC, with a key that a tenant shares with its receivers.

Voyado, "Using webhooks in Engage": encryption is optional, and undone like the token of "Soft identification".
"""

from __future__ import annotations

import base64
import re
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from reasons import Reason, ReasonError

BLOCK_BYTES = 16
KEY = re.compile(r"[A-Za-z0-9]{32}")


class UndecryptablePayload(ReasonError):
    """The payload cannot be decrypted with this key."""


def is_encryption_key(text: str) -> bool:
    """Whether the text has the form of a tenant's encryption key; for the settings form."""
    return bool(KEY.fullmatch(text))


def decrypt_payload(payload: object, key: str) -> dict[str, Any]:
    """Decrypt the payload of an encrypted event. Raises UndecryptablePayload.

    A wrong padding and a wrong content have the same reason, so that it tells nobody which bytes were padding.
    """
    iv, ciphertext = _iv_and_ciphertext(_decoded(payload))
    try:
        found = orjson.loads(_without_padding(_decrypted(ciphertext, iv, _aes_key(key))))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UndecryptablePayload(Reason.EVENT_KEY_MISMATCH)
    return found


def _decoded(payload: object) -> bytes:
    """Voyado, "Soft identification": URL-safe Base64, whose padding is restored. The standard alphabet is read too."""
    if not isinstance(payload, str):
        raise UndecryptablePayload(Reason.EVENT_NOT_BASE64)
    text = payload.rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise UndecryptablePayload(Reason.EVENT_NOT_BASE64) from None


def _iv_and_ciphertext(encrypted: bytes) -> tuple[bytes, bytes]:
    """Voyado, "Soft identification": the first 16 bytes are the IV. With PKCS#7 at least one block follows."""
    if len(encrypted) < 2 * BLOCK_BYTES or len(encrypted) % BLOCK_BYTES:
        raise UndecryptablePayload(Reason.EVENT_CIPHERTEXT_LENGTH)
    return encrypted[:BLOCK_BYTES], encrypted[BLOCK_BYTES:]


def _aes_key(key: str) -> bytes:
    """Voyado, "Soft identification": the shared secret of 32 characters (a-z, A-Z, 0-9) is used as its bytes."""
    return key.encode("ascii")


def _decrypted(ciphertext: bytes, iv: bytes, key: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).decryptor()
    return decryptor.update(ciphertext) + decryptor.finalize()


def _without_padding(plain: bytes) -> bytes:
    """Assumed, since Voyado does not name the padding: PKCS#7, the default of AES in .NET. Raises ValueError."""
    unpadder = PKCS7(BLOCK_BYTES * 8).unpadder()
    return unpadder.update(plain) + unpadder.finalize()
