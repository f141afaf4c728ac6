"""What an error does when a part of a network is taken away, in words."""

from dataclasses import dataclass
from typing import Literal

from forecast.gates.resampling import LEVEL, Interval

Verdict = Literal["used", "unused", "hurts"]


@dataclass(frozen=True)
class Change:
    """Relative change of an error.

    Attributes:
        share: 0.03 is 3 % more error without the part.
        interval: Of that share, from a bootstrap; None where there is none.
        margin: Share that stands for the uncertainty where there is no interval, and below which a
            part is worth nothing.
    """

    share: float
    interval: Interval | None = None
    margin: float = 0.01

    @property
    def verdict(self) -> Verdict:
        """Say whether the part helps, does nothing that can be told from chance, or hurts.

        >>> Change(-0.03, (-0.05, -0.01)).verdict, Change(-0.03, (-0.07, 0.02)).verdict
        ('hurts', 'unused')
        """
        low, high = self.interval or (self.share - self.margin, self.share + self.margin)
        if high < 0:
            return "hurts"
        return "unused" if low <= 0 or high <= self.margin else "used"

    @property
    def sure(self) -> bool:
        """Whether an interval stands behind the verdict."""
        return self.interval is not None

    def __str__(self) -> str:
        """Write it as in "validation MAE is …".

        >>> print(Change(-0.033, (-0.054, -0.011)))
        3.3 % lower (95 % interval 1.1 to 5.4 %)
        >>> print(Change(0.004, (-0.009, 0.018)))
        0.4 % higher (95 % interval 0.9 % lower to 1.8 % higher)
        >>> print(Change(0.004))
        0.4 % higher
        """
        if self.interval is None:
            return _one(self.share)
        low, high = self.interval
        ends = f"{_one(low)} to {_one(high)}"
        if low * high > 0 and self.share * low > 0:
            near, far = sorted((abs(low), abs(high)))
            ends = f"{100 * near:.1f} to {100 * far:.1f} %"
        return f"{_one(self.share)} ({100 * LEVEL:g} % interval {ends})"

    @property
    def signed(self) -> str:
        """Write it short, for lists.

        >>> Change(0.004, (-0.009, 0.018)).signed
        '+0.4 % (−0.9 to +1.8 %)'
        """
        ends = "" if self.interval is None else " ({} to {} %)".format(*map(_sign, self.interval))
        return f"{_sign(self.share)} %{ends}"


def _one(share: float) -> str:
    """Write one change."""
    if round(abs(share), 3) == 0:
        return "unchanged"
    return f"{100 * abs(share):.1f} % {'higher' if share > 0 else 'lower'}"


def _sign(share: float) -> str:
    """Write per cent with a sign."""
    text = f"{100 * share:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text
