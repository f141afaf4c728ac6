"""Which steps of the window a stack of causal convolutions can see."""

import math
from collections.abc import Sequence

from forecast.errors import InputError


def receptive_field(kernel_size: int, dilations: Sequence[int]) -> int:
    """Count the newest steps that reach the last output: 1 + Σ (kernel_size − 1)·dilation.

    Args:
        kernel_size: Taps of every convolution.
        dilations: Steps between two taps, one for each convolution.

    Returns:
        Steps.

    >>> receptive_field(3, [1, 2, 4, 8, 16, 32])
    127
    """
    return 1 + (kernel_size - 1) * sum(dilations)


def fitting_dilations(timesteps: int, kernel_size: int) -> tuple[int, ...]:
    """Double the dilation until the window is covered, and trim the last one to fit.

    Args:
        timesteps: Look-back to cover.
        kernel_size: Taps of every convolution, 2 or more.

    Returns:
        Dilations such that timesteps − (kernel_size − 1) < receptive field ≤ timesteps.

    Raises:
        InputError: One convolution is already wider than the window.

    >>> fitting_dilations(72, 3)
    (1, 2, 4, 8, 16, 4)
    """
    if not 2 <= kernel_size <= timesteps:
        raise InputError(
            f"model.kernel_size must lie between 2 and the {timesteps} steps that the convolution "
            f"reads (window.timesteps / model.patch), got {kernel_size}"
        )
    left = (timesteps - 1) // (kernel_size - 1)
    dilations: list[int] = []
    while left > 0:
        dilations.append(min(1 << len(dilations), left))
        left -= dilations[-1]
    return tuple(dilations)


def spacings(dilations: Sequence[int]) -> tuple[int, ...]:
    """Tell how far apart the steps are that each convolution must read.

    Only the last step of the last convolution is used, so a convolution below needs to compute
    just the steps that those above read: multiples of what divides all their dilations. On
    doubling dilations this leaves about a sixth of the work, with the same result.

    Args:
        dilations: Steps between two taps, lowest layer first.

    Returns:
        Steps between two inputs of each convolution, and of the last output: one more than layers.

    >>> spacings([1, 2, 4, 8, 16, 4])
    (1, 2, 4, 4, 4, 4, 4)
    """
    above = [math.gcd(*dilations[i:]) for i in range(len(dilations))]
    return (*above, above[-1])
