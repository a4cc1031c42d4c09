"""Pictures of the regions chosen, embedded in the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from querist.errors import QueristError

_KINDS = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"))


def data_uri(picture: bytes, name: str) -> str:
    """A picture as a `data:` address.

    Args:
        picture: the bytes of a JPEG or PNG file.
        name: what to call it in an error.

    Raises:
        QueristError: it is neither.
    """
    for magic, kind in _KINDS:
        if picture.startswith(magic):
            return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"
    raise QueristError(f"picture {name!r} is neither JPEG nor PNG", "pass the bytes of a JPEG or PNG file")


def strips(pictures: Mapping[str, Sequence[tuple[str, bytes]]] | None) -> list[tuple[str, list[tuple[str, str]]]]:
    """Per strategy its (caption, data address) pairs; strategies without pictures are left out."""
    return [
        (name, [(caption, data_uri(picture, f"{name}: {caption}")) for caption, picture in strip])
        for name, strip in (pictures or {}).items()
        if strip
    ]
