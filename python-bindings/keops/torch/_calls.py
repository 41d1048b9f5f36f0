# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calls: reductions and derivatives of them, each under a text that names it.

A derivative of a reduction is a reduction again, with one more argument for its direction. The engine writes it out and
compiles it, so that nothing here knows what a formula means: the text says which reduction it is, which derivatives of
it, which arguments were added, and where it is computed.
"""

import functools
import json
import math
from typing import Any, Dict, List, Optional, Sequence, Tuple

from keops import _keops

# Loaded here, where the import is the only one.
_keops.load_torch()

Place = Tuple[int, int]
Step = Tuple[bool, int, int]
Chain = Tuple[Step, ...]


class Call:
    """A reduction, or derivatives of one that have rows of the same index, as one kernel.

    :ivar key: text from which ``find`` makes the same call, in another process too: compiled graphs outlive this one.
    :ivar target: where it is computed, as the compiled half names it; "" for where the tensors lie.
    """

    def __init__(self, base: Tuple[Any, ...], extra: Tuple[Place, ...], chains: Tuple[Chain, ...], target: str,
                 compiled: _keops.Callable, root: _keops.Callable):
        self.base, self.extra, self.chains, self.target = base, extra, chains, target
        self.key = json.dumps([base, extra, chains, target])
        self.compiled = compiled
        self.run = functools.partial(compiled.call_tensors, target=target) if target else compiled.call_tensors
        self._root = root
        self._derived: Dict[Any, Any] = {}

    def signature(self, dtype: str):
        """Places and dimensions of arguments, and of each result its place, shape of a row, and whether it is a number
        of a row. Arguments that were added are described by ``extra``: what is constant may not know its index."""
        known = self._derived.get(dtype)
        if known is None:
            arguments, results = self.compiled.signature(dtype, self.target)
            if self.extra:
                arguments = self._root.signature(dtype, self.target)[0] + self.extra
            known = self._derived[dtype] = (arguments, results)
        return known

    def place(self, chain: Chain, arguments: Sequence[Place]) -> int:
        """Where the derivative has rows: a gradient those of its variable, a tangent those of what it is one of."""
        place = 1 - self._root.axis
        for is_tangent, position, _ in chain:
            place = place if is_tangent else arguments[position][0]
        return place

    def gradients(self, dtype: str, results: Tuple[int, ...], wanted: Tuple[int, ...]):
        """Calls that give the gradients in the arguments ``wanted`` for cotangents of ``results``, which come as further
        arguments: one call for each index, with the arguments that its results belong to."""
        name = ("gradients", dtype, results, wanted)
        known = self._derived.get(name)
        if known is None:
            arguments, described = self.signature(dtype)
            several = len(self.chains) > 1
            chains = [self.chains[result if several else 0] for result in results]
            extra = self.extra + tuple((self.place(chain, arguments), math.prod(described[result][1]))
                                       for chain, result in zip(chains, results))
            groups: Dict[int, List[Tuple[int, Chain]]] = {}
            for position in wanted:
                for number, chain in enumerate(chains):
                    step = (False, position, len(arguments) + number)
                    groups.setdefault(arguments[position][0], []).append((position, chain + (step,)))
            known = self._derived[name] = self._make(extra, groups)
        return known

    def tangents(self, dtype: str, varied: Tuple[int, ...]):
        """Calls that give, for each result in turn, its tangents for those of the arguments ``varied``, which come as
        further arguments; with the numbers of the results that they add up to."""
        name = ("tangents", dtype, varied)
        known = self._derived.get(name)
        if known is None:
            arguments, described = self.signature(dtype)
            extra = self.extra + tuple(arguments[position] for position in varied)
            groups: Dict[int, List[Tuple[int, Chain]]] = {}
            several = len(self.chains) > 1
            for result, (_, _, is_index) in enumerate(described):
                if is_index:
                    continue
                chain = self.chains[result if several else 0]
                for number, position in enumerate(varied):
                    step = (True, position, len(arguments) + number)
                    groups.setdefault(self.place(chain, arguments), []).append((result, chain + (step,)))
            known = self._derived[name] = self._make(extra, groups)
        return known

    def with_gradients(self, dtype: str, wanted: Tuple[int, ...]) -> Optional[Tuple["Call", Tuple[int, ...]]]:
        """The call that gives the result and, for a cotangent of ones as a further argument, its gradients in those of the
        arguments ``wanted`` that come with it in one pass; and which these are. None if there are none.

        They are those of the result's index, if the result is a number for each row: whatever the cotangent will be, it is
        a factor of each row."""
        name = ("with gradients", dtype, wanted)
        if name not in self._derived:
            arguments, described = self.signature(dtype)
            place, shape, is_index = described[0]
            own = tuple(number for number in wanted if arguments[number][0] == place)
            fits = (own and not self.extra and len(described) == 1 and shape == (1, ) and not is_index and place != 2 and
                    dtype in ("float32", "float64"))
            chains = [(), *(((False, number, len(arguments)), ) for number in own)]
            self._derived[name] = (self._find([(place, 1)], chains), own) if fits else None
        return self._derived[name]

    def _make(self, extra, groups):
        return [(self._find(extra, [chain for _, chain in members]), [number for number, _ in members])
                for members in groups.values()]

    def _find(self, extra, chains) -> "Call":
        return find(json.dumps([self.base, extra, chains, self.target]))


_calls: Dict[str, Call] = {}
_roots: Dict[str, _keops.Callable] = {}


def make(base: Tuple[Any, ...]) -> Call:
    """The call of a reduction itself, from the arguments of ``_keops.Callable``."""
    return find(json.dumps([base, [], [[]], ""]))


def key_on(key: str, target: str) -> str:
    """The name of the same call where it is computed at ``target`` instead of where the tensors lie."""
    return f'{key[:-3]}"{target}"]' if target else key


def find(key: str) -> Call:
    """The call of this name, made if it is new."""
    known = _calls.get(key)
    if known is None:
        base, extra, chains, target = json.loads(key)
        extra = tuple(map(tuple, extra))
        chains = tuple(tuple(map(tuple, chain)) for chain in chains)
        name = json.dumps(base)
        root = _roots.get(name)
        if root is None:
            root = _roots.setdefault(name, _keops.Callable(*base))
        compiled = root
        if extra or chains != ((), ):
            # Which index an argument belongs to does not depend on the type of its numbers: any code tells.
            compiled = root.derived(list(root.signature("", target)[0] + extra), [list(chain) for chain in chains])
        known = _calls.setdefault(key, Call(tuple(base), extra, chains, target, compiled, root))
    return known
