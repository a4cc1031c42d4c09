"""Pictures on their way to the page: how they may be called, and what bytes they may be."""

import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@~-]{0,127}")
_SIGNATURES = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}


@dataclass(frozen=True)
class Image:
    """The bytes of a picture.

    Args:
        data: a JPEG or PNG file.
        media_type: ``image/jpeg`` or ``image/png``.

    Raises:
        ValueError: the bytes are not of that type.
    """

    data: bytes
    media_type: str

    def __post_init__(self) -> None:
        signature = _SIGNATURES.get(self.media_type)
        if signature is None or not self.data.startswith(signature):
            raise ValueError(f"a picture must be a JPEG or PNG file, and these bytes are no {self.media_type}")


def check_name(name: str) -> str:
    """The name of a picture, if it can be one; see :class:`querist.annotate.desk.Picture`.

    Raises:
        ValueError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a picture: letters, digits and _ . @ ~ - only, at most 128")
    return name
