# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bars that show how far a long call is. The engine counts what it does anyway, so the call computes the same.

Between a call and what computes it may stand PyTorch, which passes tensors along and nothing else. So a bar belongs to the
thread that shows it: derivatives ask whether the call that they are of had one, and show their own."""

import math
import threading
from typing import Any, Callable, Optional, Sequence

from keops import _keops, _options


class _Shown(threading.local):
    """The bar of this thread: what stands before it, and how a linear system moves it."""

    what: Optional[str] = None
    tell: Optional[Callable[[int, float, float], None]] = None


_shown = _Shown()


def shown() -> Optional[str]:
    """What stands before the bar that this thread shows; None without one."""
    return _shown.what


def with_bar(what: str, function: Callable[[], Any], of_system: bool = False) -> Any:
    """``function()``, with a bar of the package tqdm for the call of the engine in it, or with a warning where that is
    not installed.

    :param what: what stands before the bar.
    :param of_system: the bar shows how small the residual of a linear system is, not the call of the engine.
    """
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped]
    except ImportError:
        _options.warn("progress=True: expected the package tqdm, which draws the bar, got an environment without it; "
                      "pip install tqdm")
        return function()
    # What stands behind a bar is shown anew where the bar itself does not move.
    with tqdm(total=100, desc=what, miniters=0, bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}") as bar:
        def advance(part: float) -> None:
            bar.update(max(0, 100 * part - bar.n))

        def tell(iterations: int, residual: float, part: float) -> None:
            bar.set_postfix_str(f"{iterations} iterations, residual {residual:.2g}", refresh=False)
            advance(part)

        before = _shown.what, _shown.tell
        _shown.what, _shown.tell = what, tell if of_system else None
        try:
            if of_system:
                return function()
            result = _keops.watch(advance, function)
        finally:
            _shown.what, _shown.tell = before
        advance(1)
    return result


def of_derivative(what: Optional[str], kind: str, positions: Sequence[int], function: Callable[[], Any]) -> Any:
    """``function()``, which computes derivatives of a call; with a bar if that had one.

    :param what: what stood before the bar of the call, None without one.
    :param positions: of the arguments that are derived by.
    """
    if what is None:
        return function()
    numbers = ", ".join(map(str, positions))
    return with_bar(f"{what}, {kind} in argument{'s' if len(positions) > 1 else ''} {numbers}", function)


class Residuals:
    """Tells the bar of a linear system, if this thread shows one, how far its solution is: the logarithm of the residual on
    its way from the first to what is asked for."""

    def __init__(self, eps: float):
        self.tell = _shown.tell
        self.eps = eps
        self.first = 0.0

    def __bool__(self) -> bool:
        return self.tell is not None

    def add(self, iterations: int, residual: float) -> None:
        assert self.tell is not None
        self.first = max(self.first, residual)
        part = 1.0
        if not residual <= self.eps:
            way = math.log(self.first / self.eps) if self.eps > 0 and math.isfinite(residual) else math.inf
            part = math.log(self.first / residual) / way if math.isfinite(way) else 0.0
        self.tell(iterations, residual, part)
