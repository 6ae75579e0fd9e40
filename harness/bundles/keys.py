"""Ed25519 keys in PEM files, and the envelope that carries a signed statement: DSSE, as in-toto uses it.

Source: https://github.com/secure-systems-lab/dsse, protocol version 1.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataError, UsageError
from harness.core.reading import read_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_LARGEST = 1 << 16


def default_key() -> Path:
    """Where the key of a user is kept: ``$XDG_CONFIG_HOME/wsibench/attest-key.pem``, ``~/.config`` without it."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "wsibench" / "attest-key.pem"


def make_key(path: Path) -> None:
    """Write a new private key to ``path``, readable by its owner only, and the public one beside it (``.pub``).

    Raises:
        OSError: there is a file already, or none can be written.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    public = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public)


def read_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file.

    Raises:
        UsageError: there is none, or one of another kind.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    fix = "name an unencrypted Ed25519 key in PEM (openssl genpkey -algorithm ed25519), or leave --key out"
    try:
        key = load_pem_private_key(read_bytes(path, limit=_LARGEST), password=None)
    except OSError as error:
        raise UsageError(f"the key cannot be read: {error.strerror or error}", place=str(path), fix=fix) from None
    except (ValueError, TypeError) as error:
        raise UsageError(f"this is no key: {error}", place=str(path), fix=fix) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError("the key is not of Ed25519", place=str(path), fix=fix)
    return key


def public_identity(path: Path) -> str:
    """The identity of the public key in a PEM file: SHA-256 of its 32 bytes.

    Raises:
        UsageError: there is none, or one of another kind.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(read_bytes(path, limit=_LARGEST))
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("it is not of Ed25519")
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"this is no public key: {error}", place=str(path), fix="name the .pub file") from None
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def sign(payload: bytes, key: Ed25519PrivateKey) -> dict[str, Any]:
    """The envelope of a statement. The public key travels with it; whose it is has to be known from elsewhere."""
    public = key.public_key().public_bytes_raw()
    signature = {
        "keyid": hashlib.sha256(public).hexdigest(),
        "public_key": _text(public),
        "sig": _text(key.sign(_pre_authentication(payload))),
    }
    return {"payloadType": PAYLOAD_TYPE, "payload": _text(payload), "signatures": [signature]}


def opened(envelope: Any, place: str) -> tuple[bytes, str]:
    """The statement in an envelope, and the identity of the key that signed it.

    Raises:
        DataError: it is no envelope with one signature, or that is not of this statement.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        if envelope["payloadType"] != PAYLOAD_TYPE or envelope.keys() != {"payloadType", "payload", "signatures"}:
            raise ValueError(f"payloadType is not {PAYLOAD_TYPE}, or a field is unknown")
        (signature,) = envelope["signatures"]
        if signature.keys() != {"keyid", "public_key", "sig"}:
            raise ValueError("a signature has keyid, public_key and sig")
        payload, public, signed = (
            _bytes(text) for text in (envelope["payload"], signature["public_key"], signature["sig"])
        )
        identity = hashlib.sha256(public).hexdigest()
        if signature["keyid"] != identity:
            raise ValueError(f"keyid is not that of the key, which is {identity}")
        Ed25519PublicKey.from_public_bytes(public).verify(signed, _pre_authentication(payload))
    except InvalidSignature:
        raise _wrong("the signature is not of this statement: one of the two was changed", place) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _wrong(f"this is no signed statement: {error}", place) from None
    return payload, identity


def _pre_authentication(payload: bytes) -> bytes:
    """What is signed (PAE of the DSSE protocol): type and payload, each with its length."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("a field is no text")
    content = base64.b64decode(text, validate=True)
    if _text(content) != text:
        raise ValueError("a field is not in the plain form of base64")
    return content


def _wrong(problem: str, place: str) -> DataError:
    return DataError(problem, place=place, fix="sign the study again: bench attest STUDY")
