"""Encryption at rest: a key per shop, wrapped by SECRET_KEYS; every ciphertext is bound to its table, column and row.

AES-256-GCM with a random 96-bit nonce. The associated data name shop, table, column and row, so that a ciphertext
cannot be moved to another shop, column or row; deleting a shop's key makes all of its ciphertexts unreadable.
"""

from __future__ import annotations

import base64
import os
import sys
import zlib
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from isal import isal_zlib

from config import Misconfigured, config, parse_keyring

NONCE = 12  # bytes
PLAIN, DEFLATED = b"\x00", b"\x01"
WORTH_DEFLATING = 200  # bytes; below, zlib's header eats the gain


class Unreadable(Exception):
    """Ciphertext of another key, moved from another table, column or row, or damaged."""


class Vault:
    """Encrypts (`seal`) and decrypts (`open`) one shop's secrets and bodies."""

    def __init__(self, shop_id: int, wrapped_key: bytes) -> None:
        self._shop = str(shop_id)
        self._cipher = AESGCM(_unwrap(bytes(wrapped_key)))

    def seal(self, plain: bytes, table: str, column: str, row: object) -> bytes:
        body = _pack(plain)
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, body, self._associated_data(table, column, row))

    def open(self, sealed: bytes, table: str, column: str, row: object) -> bytes:
        """Decrypt what was encrypted for this table, column and row. Raises Unreadable."""
        sealed = bytes(sealed)
        try:
            body = self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], self._associated_data(table, column, row))
        except (InvalidTag, ValueError) as error:  # ValueError: cut off within the nonce
            raise Unreadable(f"{table}.{column} of {row} cannot be decrypted.") from error
        return zlib.decompress(body[1:]) if body[:1] == DEFLATED else body[1:]

    def _associated_data(self, table: str, column: str, row: object) -> bytes:
        return f"{self._shop}|{table}|{column}|{row}".encode()


def _pack(plain: bytes) -> bytes:
    if len(plain) < WORTH_DEFLATING:
        return PLAIN + plain
    return DEFLATED + isal_zlib.compress(plain, 1)


def new_key() -> bytes:
    """Make a shop's key, wrapped by the first of SECRET_KEYS: the wrapping key's name, a colon, nonce, ciphertext."""
    return _wrap(AESGCM.generate_key(256))


def rewrap(wrapped: bytes) -> bytes | None:
    """Wrap the same key by the first of SECRET_KEYS. None: it is already. Raises Unreadable."""
    return None if bytes(wrapped).partition(b":")[0] == wrapping_key_name() else _wrap(_unwrap(bytes(wrapped)))


def wrapping_key_name() -> bytes:
    """Name of the key that wraps new keys."""
    return next(iter(keyring())).encode()


def _wrap(key: bytes) -> bytes:
    name, nonce = wrapping_key_name(), os.urandom(NONCE)
    return name + b":" + nonce + AESGCM(keyring()[name.decode()]).encrypt(nonce, key, name)


def _unwrap(wrapped: bytes) -> bytes:
    name, _, rest = wrapped.partition(b":")
    text = name.decode(errors="replace")
    if text not in keyring():
        raise Unreadable(f"SECRET_KEYS has no key named {text!r}.")
    try:
        return AESGCM(keyring()[text]).decrypt(rest[:NONCE], rest[NONCE:], name)
    except (InvalidTag, ValueError) as error:
        raise Unreadable(f"The key named {text!r} in SECRET_KEYS is not the one used before.") from error


@lru_cache(maxsize=1)
def keyring() -> dict[str, bytes]:
    """Keys of SECRET_KEYS by name, in order. Raises Misconfigured."""
    return parse_keyring(config.secret_keys)


def require_keyring() -> None:
    """End the process with a sentence if SECRET_KEYS is empty: it could neither decrypt nor sign anything."""
    try:
        keyring()
    except Misconfigured as error:
        sys.exit(str(error))


def new_keyring_entry(name: str) -> str:
    """Make a new entry for SECRET_KEYS."""
    return f"{name}:{base64.b64encode(AESGCM.generate_key(256)).decode()}"


def token_hash(token: str) -> str:
    """Hash a token, as it is stored: the database alone opens nothing."""
    return sha256(token.encode()).hexdigest()
