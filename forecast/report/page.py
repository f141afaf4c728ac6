"""Pages and their pieces, made from the templates beside this file."""

from base64 import b64encode
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_TEMPLATES = Environment(
    loader=PackageLoader("forecast.report"),
    autoescape=True,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


def render(template: str, **values: Any) -> str:
    """Fill in a template; a text is escaped where it enters, but for what a template has made.

    >>> head = {"lead": "3 < 4", "findings": [], "strip": ""}
    >>> text = render("report", title="a < b", head=head, sections=[("Scores", "<p>good</p>")])
    >>> "<title>a &lt; b</title>" in text, "<p>good</p>" in text, "http" in text
    (True, True, False)
    """
    return Markup(_TEMPLATES.get_template(f"{template}.html").render(values))


def _address(picture: bytes) -> str:
    """Write a picture, WebP or PNG, as an address that needs nothing else."""
    kind = "webp" if picture.startswith(b"RIFF") else "png"
    return f"data:image/{kind};base64,{b64encode(picture).decode()}"


_TEMPLATES.filters["address"] = _address
