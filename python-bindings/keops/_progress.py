# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bars that show how far a long call is. The engine counts what it does anyway, so the call computes the same."""

import warnings
from typing import Any, Callable

from keops import _keops


def with_bar(what: str, function: Callable[[], Any]) -> Any:
    """``function()``, with a bar of the package tqdm for the call of the engine in it, or with a warning where that is
    not installed.

    :param what: what stands before the bar.
    """
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped]
    except ImportError:
        warnings.warn("progress=True: expected the package tqdm, which draws the bar, got an environment without it; "
                      "pip install tqdm", stacklevel=4)
        return function()
    with tqdm(total=100, desc=what, bar_format="{l_bar}{bar}| {elapsed}<{remaining}") as bar:
        def advance(part: float) -> None:
            bar.update(max(0, 100 * part - bar.n))

        result = _keops.watch(advance, function)
        advance(1)
    return result
