"""Pseudonyms for the identifiers in DICOM headers."""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

_DIGITS = 16
_LEAST = 16


@dataclass(frozen=True)
class Pseudonyms:
    """Replaces identifiers by the first 16 hexadecimal digits of their HMAC-SHA-256.

    With the same salt, an identifier has the same pseudonym in every build; without it, a pseudonym cannot be traced
    back by trying all identifiers, which is easy for numbers of patients.

    Args:
        salt: the secret.
        is_new: whether it was written for this build.
    """

    salt: str = field(repr=False)
    is_new: bool = field(default=False, compare=False)

    def of(self, kind: str, identifier: str) -> str:
        """The pseudonym of an identifier.

        Args:
            kind: what it identifies; equal identifiers of different kinds have different pseudonyms.
            identifier: of a patient, study, series or image.
        """
        message = f"{kind}\0{identifier}".encode(errors="surrogatepass")
        return hmac.new(self.salt.encode(), message, hashlib.sha256).hexdigest()[:_DIGITS]

    @property
    def digest(self) -> str:
        """Tells salts apart without giving them away: it is a hash of 256 random bits, where the salt is written here.

        A salt that a person could think of can be guessed by it, as by any pseudonym.
        """
        return self.of("salt", "")

    @classmethod
    def read(cls, path: Path) -> "Pseudonyms":
        """With the salt in a file; a new one is written where there is no file, for its owner to read only.

        Raises:
            ValueError: the file cannot be read, or holds fewer than 16 characters.
        """
        is_new = False
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(f"{secrets.token_hex(32)}\n")
            is_new = True
        except FileExistsError:
            pass
        except OSError as error:
            raise ValueError(f"--salt {path}: cannot be written ({error.strerror}); give another file") from error
        try:
            salt = path.read_text("utf-8-sig").strip()  # editors write a mark that is no part of the secret
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"--salt {path}: cannot be read ({error}); give a text file with a secret") from error
        if len(salt) < _LEAST:
            raise ValueError(
                f"--salt {path}: holds {len(salt)} characters; write a secret of {_LEAST} or more into it, or remove "
                "the file to have one written"
            )
        return cls(salt, is_new)
