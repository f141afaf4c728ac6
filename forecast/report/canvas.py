"""A white figure without pyplot, its ink, its pixels, and names that are no formula."""

from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


INK = "#222222"
FRAME = "#9a9a9a"

LONG_NAMES = {
    "i": "input",
    "f": "forget",
    "c": "candidate",
    "o": "output",
    "z": "update",
    "r": "reset",
    "h": "candidate",
}


def new_figure(title: str, epoch: int | None) -> "Figure":
    """Make an empty figure of 1000 x 800 pixels, which a tracker shows large and as a thumbnail.

    >>> new_figure("lstm_1", 3).get_suptitle()
    'lstm_1 · epoch 3'
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 8), dpi=100, facecolor="white")
    text = title if epoch is None else f"{title} · epoch {epoch}"
    figure.suptitle(text, fontsize=25 * min(1.0, 46 / len(text)), color=INK, y=0.97)
    return figure


def style(axes: Any, *, boxed: bool = True) -> None:
    """Set every colour of a panel by hand: a dark style must not write white on white.

    >>> style(new_figure("a title", None).add_subplot())
    """
    axes.set_facecolor("white")
    axes.grid(visible=False)
    axes.tick_params(length=0, colors=INK)
    for spine in axes.spines.values():
        spine.set_color(FRAME)
        spine.set_linewidth(0.8)
    axes.spines[["top", "right"]].set_visible(boxed)


def gate_title(gate: str, *, alone: bool = False) -> str:
    """Write a gate's short and long name.

    >>> gate_title("backward.f"), gate_title("h", alone=True)
    ('backward.f  forget', 'h  state')
    """
    short = gate.rsplit(".", 1)[-1]
    long = "state" if alone and short == "h" else LONG_NAMES.get(short, "")
    return f"{gate}  {long}".rstrip()


def check_limit(limit: float) -> None:
    """Refuse an end of a scale that cannot be meant.

    >>> check_limit(0.5)
    """
    if not (np.isfinite(limit) and limit > 0):
        raise InputError(
            f"limit: must be a positive number, received {limit}; "
            "use colour_limit of the snapshots that are drawn"
        )


def to_image(figure: "Figure") -> np.ndarray:
    """Render a figure on an opaque white ground.

    Args:
        figure: Any matplotlib figure; it may have been made without pyplot.

    Returns:
        Pixels (height, width, 3), uint8.

    >>> from matplotlib.figure import Figure
    >>> image = to_image(Figure(figsize=(2, 1), dpi=100, facecolor="none"))
    >>> image.shape, image.dtype.name, int(image.min())
    ((100, 200, 3), 'uint8', 255)
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    colours, opacity = pixels[..., :3], pixels[..., 3:]
    if opacity.min() == 255:
        return colours.copy()
    share = opacity / 255.0
    return np.round(colours * share + 255.0 * (1.0 - share)).astype(np.uint8)


def escape_mathtext(text: str) -> str:
    r"""Write a text so that matplotlib shows it as it is.

    >>> print(escape_mathtext("US$ to A$"))
    US\$ to A\$
    """
    return text.replace("$", r"\$")
