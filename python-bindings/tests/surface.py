# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What test_surface.py walks: the data of its expressions, for a front and for dense NumPy, and the public names."""

import importlib
import inspect
import re
import types

import numpy as np

import dense

M, N, D = 6, 5, 3


def draw(*shape, low=-0.9, high=0.9):
    return np.random.default_rng(sum(shape) * 97 + int(10 * low)).uniform(low, high, shape)


# Arrays by the name that expressions have for them, and which index their rows have. z and w are complex.
DATA = {
    "x": ("Vi", draw(M, D)), "y": ("Vj", draw(N, D)), "p": ("Pm", draw(D)), "u": ("Vi", draw(M, 1)),
    "v": ("Vj", draw(N, 1)), "b": ("Vj", draw(N, 2)), "xp": ("Vi", draw(M, D, low=0.3, high=2)),
    "yp": ("Vj", draw(N, D, low=0.4, high=1.5)), "vp": ("Vj", draw(N, 1, low=0.4, high=1.5)),
    "A": ("Vi", draw(M, 2 * D)), "S": ("Pm", draw(D * D)), "knots": ("Pm", np.array([0.0, 0.2, 0.5, 1.0, 1.5, 2.0])),
    "place": ("Vi", np.array([[0.0], [2], [1], [3], [-1], [9]])),
    "z": ("Vi", draw(M, 2) + 1j * draw(M, 2, low=-0.8)), "w": ("Vj", draw(N, 2, low=-0.7) + 1j * draw(N, 2, low=-0.6)),
    "z1": ("Vi", draw(M, 1, low=-0.5) + 1j * draw(M, 1, low=-0.4)),
}
RANGES = (np.array([[0, 4], [4, 6]]), np.array([1, 3]), np.array([[1, 4], [0, 1], [3, 5]]),
          np.array([[0, 1], [1, 3], [3, 4], [4, 5]]), np.array([1, 2, 4, 5]),
          np.array([[4, 6], [0, 4], [0, 4], [4, 6], [4, 6]]))
LABELS = np.array([1, 0, 2, 1, 0, 1])


class Front:
    """One of the modules keops.numpy and keops.torch, with what expressions name."""

    def __init__(self, name):
        self.name = name
        self.module = importlib.import_module(f"keops.{name}")
        self.library = importlib.import_module(name)

    def array(self, value):
        """A NumPy array as one of the library."""
        return value if self.name == "numpy" else self.library.from_numpy(np.array(value))

    def back(self, value):
        return value if self.name == "numpy" else value.detach().resolve_conj().numpy()

    def is_array(self, value):
        return isinstance(value, np.ndarray if self.name == "numpy" else self.library.Tensor)

    def names(self):
        """The module's names, LazyTensors by lower-case names, and arrays, with "_" after them."""
        module, names = self.module, {}
        for name in public_names(module):
            names[name] = getattr(module, name)
        names.update({name: getattr(module.cluster, name) for name in module.cluster.__all__})
        for name, (category, array) in DATA.items():
            names[f"{name}_"] = native = self.array(array)
            if np.iscomplexobj(array):
                names[name] = module.LazyTensor(native[:, None] if category == "Vi" else native[None])
            else:
                names[name] = getattr(module, category)(native)
        names.update(K=(-names["x"].sqdist(names["y"])).exp(), ranges_=tuple(map(self.array, RANGES)),
                     labels_=self.array(LABELS), array=self.array, float64=self.library.float64, np=np,
                     i64=lambda *rows: self.array(np.array(rows)))
        return names


def dense_names():
    """The same, as arrays of shape (M, 1, D), (1, N, D) and (1, 1, D)."""
    names = {name: getattr(np, name) for name in dir(np) if not name.startswith("_")}
    for name, (category, array) in DATA.items():
        names[f"{name}_"] = array
        names[name] = array[:, None] if category == "Vi" else array[None] if category == "Vj" else array[None, None]
    names["K"] = np.exp(-((names["x"] - names["y"])**2).sum(-1, keepdims=True))
    names.update(ranges_=RANGES, labels_=LABELS, reduced=reduced, dot=dot, every_pair=every_pair, keep=keep(), np=np,
                 tri=tri,
                 softdtw=softdtw, splines=splines)
    return names


# --- Dense references -------------------------------------------------------------------------------------------------


def every_pair(F):
    F = np.asarray(F)
    return np.broadcast_to(F, (M, N, F.shape[-1]))


def reduced(name, F, axis=1, k=None, G=None):
    """The reduction of all pairs."""
    return dense.reduce(name, every_pair(F), axis, k, None if G is None else every_pair(G))


def dot(a, b):
    return (a * b).sum(-1, keepdims=True)


def tri(a, b, axes):
    """For each pair tensordot of vectors a and b, as tensors of the first two shapes of ``axes``, along the others."""
    one, two, contract_a, contract_b = axes
    a, b = every_pair(a), every_pair(b)
    return np.array([[np.tensordot(a[i, j].reshape(one), b[i, j].reshape(two), (contract_a, contract_b)).reshape(-1)
                      for j in range(N)] for i in range(M)])


def keep():
    """(M, N, 1): the pairs that RANGES names."""
    rows, slices, columns = RANGES[:3]
    kept = np.zeros((M, N, 1))
    for number, (begin, end) in enumerate(rows):
        for first, last in columns[slices[number - 1] if number else 0:slices[number]]:
            kept[begin:end, first:last] = 1
    return kept


def softdtw(a, b, gamma):
    """Soft dynamic time warping of vectors of numbers, by its recurrence."""
    a, b = every_pair(a), every_pair(b)
    found = np.zeros((M, N, 1))
    for i in range(M):
        for j in range(N):
            R = np.full((a.shape[-1] + 1, b.shape[-1] + 1), np.inf)
            R[0, 0] = 0
            for m in range(1, R.shape[0]):
                for n in range(1, R.shape[1]):
                    around = np.array([R[m - 1, n], R[m, n - 1], R[m - 1, n - 1]])
                    least = around.min()
                    smooth = least - gamma * np.log(np.exp(-(around - least) / gamma).sum())
                    R[m, n] = (a[i, j, m - 1] - b[i, j, n - 1])**2 + smooth
            found[i, j, 0] = R[-1, -1]
    return found


def splines(knots, x, k):
    """Basis functions of degree k on the knots, by Cox and de Boor's recurrence."""
    knots = knots.reshape(-1)
    basis = [np.where((knots[n] <= x) & (x < knots[n + 1]), 1.0, 0.0) for n in range(len(knots) - 1)]
    for degree in range(1, k + 1):
        basis = [(x - knots[n]) / (knots[n + degree] - knots[n]) * basis[n] +
                 (knots[n + degree + 1] - x) / (knots[n + degree + 1] - knots[n + 1]) * basis[n + 1]
                 for n in range(len(basis) - 1)]
    return np.concatenate(basis, -1)


# --- Public names -----------------------------------------------------------------------------------------------------

SPECIAL = re.compile(r"__(abs|add|call|eq|ge|getitem|gt|init|le|lt|matmul|max|min|mod|mul|ne|neg|or|pos|pow|radd|repr|"
                     r"rmul|ror|rpow|rsub|rtruediv|str|sub|truediv)__")


def public_names(owner):
    """Names without "_" before them, that are no modules, and those of operators."""
    if isinstance(owner, types.ModuleType):
        known = set(getattr(owner, "__all__", ())) | {name for name, value in vars(owner).items()
                                                      if getattr(value, "__module__", "").startswith("keops.")}
        return sorted(name for name in known if not name.startswith("_") and not inspect.ismodule(getattr(owner, name)))
    return sorted(name for name in dir(owner) if not name.startswith("_") or
                  (SPECIAL.fullmatch(name) and getattr(owner, name) is not getattr(object, name, None)))


def signature(value):
    """Names, order and defaults of parameters, or "property"."""
    if not callable(value):
        return "property"
    found = inspect.signature(value)
    return str(found.replace(return_annotation=inspect.Signature.empty,
                             parameters=[parameter.replace(annotation=inspect.Parameter.empty)
                                         for parameter in found.parameters.values()]))
