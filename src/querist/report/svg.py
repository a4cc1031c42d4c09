"""Matplotlib figures as inline SVG that follows the page: its font, its colours, light or dark."""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # matplotlib costs 0.4 s to import; only drawing pays for it
    from matplotlib.figure import Figure
    from matplotlib.markers import MarkerStyle

SLOTS = ("c0", "c1", "c2", "c3", "c4", "ink", "soft", "line", "grey", "paper")
# Colours that nothing else uses; each becomes a CSS variable of the page.
_SENTINELS = {slot: f"#0c0d{index:02x}" for index, slot in enumerate(SLOTS, start=16)}

_MARKERS = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "cross": "X",
    "ring": "o",
    "dot": "o",
}


def colour(slot: str) -> str:
    """The stand-in that drawing code uses for a CSS variable of the page."""
    return _SENTINELS[slot]


def marker(name: str) -> MarkerStyle:
    """The matplotlib marker of a `Look`."""
    from matplotlib.markers import MarkerStyle

    return MarkerStyle(_MARKERS[name])


@contextmanager
def drawing(font_size: float) -> Iterator[None]:
    """Settings for everything drawn inside; the user's own matplotlibrc plays no part."""
    import matplotlib

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "querist",
        "font.size": font_size,
        "axes.linewidth": 0.8,
        "axes.edgecolor": colour("line"),
        "axes.labelcolor": colour("soft"),
        "text.color": colour("ink"),
        "xtick.color": colour("soft"),
        "ytick.color": colour("soft"),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "xtick.major.size": 3,
        "ytick.major.size": 0,
        "axes.unicode_minus": True,
        "text.parse_math": False,  # a dollar in a name is a dollar
    }
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        # A name may hold letters that matplotlib's own font lacks; the page's font draws them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def render(figure: Figure, *, key: str, title: str, description: str, names: Mapping[str, str]) -> str:
    """Serialise a figure for an HTML page.

    Args:
        figure: drawn inside `drawing()`.
        key: unique in the page; every id inside the SVG starts with it.
        title: its accessible name.
        description: what a reader who cannot see it should know.
        names: tooltip by the gid of a group.

    Returns:
        An `<svg>` element without fixed size, external references or scripts.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*<defs>\s*<style[^>]*>[^<]*</style>\s*</defs>", "", text, count=1)
    # Text is escaped by matplotlib, so that < and > delimit tags and nothing else.
    text = re.sub(r"<[^>]*>", lambda match: _tag(match[0], key), text)
    for gid, name in names.items():
        opening = f'<g id="{key}-{gid}">'
        text = text.replace(opening, f"{opening}<title>{html.escape(name)}</title>", 1)
    view = re.search(r'viewBox="([^"]+)"', text)
    assert view is not None, "matplotlib writes a viewBox"
    label = f'<title id="{key}-title">{html.escape(title)}</title>'
    label += f'<desc id="{key}-desc">{html.escape(description)}</desc>'
    head = f'<svg viewBox="{view[1]}" role="img" aria-labelledby="{key}-title {key}-desc">{label}'
    return head + text[text.index(">") + 1 :]


def _tag(tag: str, key: str) -> str:
    tag = tag.replace("xlink:href", "href")
    tag = re.sub(r'\bid="', f'id="{key}-', tag)
    tag = re.sub(r'(href="|url\()#', rf"\g<1>#{key}-", tag)
    tag = re.sub(r"font(?:-family)?: [^;\"]*'DejaVu Sans'[^;\"]*;? ?", "", tag)
    tag = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", tag)
    for slot, sentinel in _SENTINELS.items():
        tag = tag.replace(sentinel, f"var(--{slot})")
    return tag
