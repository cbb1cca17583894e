"""Encrypt a webhook's payload as Engage does where a tenant has turned encryption on: AES-256-CBC, URL-safe Base64."""

from __future__ import annotations

import base64
import os

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK_BYTES = 16


def encrypt(payload: bytes, key: str) -> str:
    """The IV and the ciphertext as one text. That its padding is PKCS#7 is assumed. Raises ValueError for a bad key."""
    return encoded(encrypted_blocks(padded(payload), key))


def padded(payload: bytes) -> bytes:
    """PKCS#7: n bytes of the value n."""
    missing = BLOCK_BYTES - len(payload) % BLOCK_BYTES
    return payload + bytes([missing]) * missing


def encrypted_blocks(blocks: bytes, key: str) -> bytes:
    """A random IV, and whole blocks encrypted with it."""
    iv = os.urandom(BLOCK_BYTES)
    encryptor = Cipher(algorithms.AES256(key.encode("ascii")), modes.CBC(iv)).encryptor()
    return iv + encryptor.update(blocks) + encryptor.finalize()


def encoded(encrypted: bytes) -> str:
    """URL-safe Base64 without its padding, as the token of soft identification."""
    return base64.urlsafe_b64encode(encrypted).decode().rstrip("=")
