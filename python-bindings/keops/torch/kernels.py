# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Products with kernels that have names, as programs for the first versions of PyKeOps write them: formulas are put
together from a small language, for k and for c = log k, and reduced by ``Genred``, or as whole matrices."""

import ast
from functools import lru_cache
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from keops import _options
from keops.torch.genred import Genred

__all__ = ["Formula", "Kernel", "kernel_formulas", "kernel_product"]

# --- Kernels ----------------------------------------------------------------------------------------------------------


class Formula(NamedTuple):
    """One kernel k(x, y), with {X}, {Y} and {G} for its arguments and its parameters.

    :ivar formula_sum: formula text of k.
    :ivar routine_sum: k as a matrix, a function of the keywords ``x`` (M, D), ``y`` (N, D), ``gxmy2`` (M, N), the
        weighted squared distances, or None without parameters, and ``xsy`` (M, N), the scalar products.
    :ivar formula_log: formula text of c = log k; the logarithm of k if it is None.
    :ivar routine_log: c as a matrix, likewise.
    """

    formula_sum: Optional[str] = None
    routine_sum: Optional[Callable[..., Tensor]] = None
    formula_log: Optional[str] = None
    routine_log: Optional[Callable[..., Tensor]] = None


# Keeps square roots and logarithms of matrices, and their gradients, finite.
_SMALL = 1e-8
_Q = "WeightedSqDist({G},{X},{Y})"

kernel_formulas: Dict[str, Formula] = {
    "linear": Formula("({X}|{Y})", lambda xsy, **_: xsy, "(IntInv(2)*Log(Square(({X}|{Y}))+IntInv(100000000)))",
                      lambda xsy, **_: 0.5 * (xsy**2 + _SMALL).log()),
    "gaussian": Formula(f"Exp(-{_Q})", lambda gxmy2, **_: (-gxmy2).exp(), f"(-{_Q})", lambda gxmy2, **_: -gxmy2),
    "laplacian": Formula(f"Exp(-Sqrt({_Q}))", lambda gxmy2, **_: (-(gxmy2 + _SMALL).sqrt()).exp(), f"(-Sqrt({_Q}))",
                         lambda gxmy2, **_: -(gxmy2 + _SMALL).sqrt()),
    "cauchy": Formula(f"Inv(IntCst(1)+{_Q})", lambda gxmy2, **_: 1 / (1 + gxmy2), f"(-Log(IntCst(1)+{_Q}))",
                      lambda gxmy2, **_: -(1 + gxmy2).log()),
    "inverse_multiquadric": Formula(f"Rsqrt(IntCst(1)+{_Q})", lambda gxmy2, **_: (1 + gxmy2).rsqrt(),
                                    f"(-IntInv(2)*Log(IntCst(1)+{_Q}))", lambda gxmy2, **_: -0.5 * (1 + gxmy2).log()),
    "distance": Formula(f"Sqrt({_Q})", lambda gxmy2, **_: (gxmy2 + _SMALL).sqrt(), f"(IntInv(2)*Log({_Q}))",
                        lambda gxmy2, **_: 0.5 * (gxmy2 + _SMALL).log()),
}


class _Atom(NamedTuple):
    formula: Formula
    pair: int  # Number of the pair of variables.
    number: int  # Number of the parameters.


class Kernel:
    """A kernel k(x, y): one with a name, a combination of such, or the user's own.

    In ``name``, each kernel of ``kernel_formulas`` (linear, gaussian, laplacian, cauchy, inverse_multiquadric, distance)
    is a function of a pair of variables, and kernels and integers are combined by ``+``, ``*``, ``-`` in front, ``**`` and
    parentheses: ``Kernel("gaussian(x,y) * (1 + linear(u,v)**2)")``.

    :param name: a combination of kernels.
    :param formula_sum: formula text of k with {X}, {Y} and {G}, as those after it in ``Formula``, for a kernel that has
        no name.
    :raises ValueError: ``name`` is none such, or neither it nor a formula or routine is given.

    >>> Kernel("gaussian(x,y) + 2 * laplacian(x,y)").variables
    (('x', 'y'),)
    """

    def __init__(self, name: Optional[str] = None, formula_sum: Optional[str] = None,
                 routine_sum: Optional[Callable[..., Tensor]] = None, formula_log: Optional[str] = None,
                 routine_log: Optional[Callable[..., Tensor]] = None):
        own = Formula(formula_sum, routine_sum, formula_log, routine_log)
        if (name is None) == (own == Formula()):
            raise ValueError("Kernel: expected either a name or formulas and routines, got "
                             + ("neither" if name is None else "both"))
        self.name = name
        self._variables: List[Tuple[str, str]] = []
        self.atoms: List[_Atom] = []
        if name is None:
            self._variables.append(("x", "y"))
            self.atoms.append(_Atom(own, 0, 0))
            self._tree: Any = 0
            return
        if not isinstance(name, str):
            raise TypeError(f"name: expected a text such as 'gaussian(x,y)', got {name!r}")
        try:
            tree = ast.parse(name.strip(), mode="eval").body
        except SyntaxError:
            raise self._refuse(name) from None
        self._tree = self._read(tree)

    @property
    def variables(self) -> Tuple[Tuple[str, str], ...]:
        """The pairs of variables in order of appearance: those that ``kernel_product`` takes x and y for."""
        return tuple(self._variables)

    def _refuse(self, got: str) -> ValueError:
        return _options.refuse("name", f"kernels such as 'gaussian(x,y)' of {', '.join(kernel_formulas)}, and integers, "
                               "combined by +, *, ** and parentheses", got)

    def _read(self, node: ast.AST) -> Any:
        """A number of an atom, or (operation, operands)."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kernel_formulas and \
                len(node.args) == 2 and not node.keywords and all(isinstance(arg, ast.Name) for arg in node.args):
            pair = (node.args[0].id, node.args[1].id)  # type: ignore[attr-defined]
            if pair not in self._variables:
                self._variables.append(pair)
            self.atoms.append(_Atom(kernel_formulas[node.func.id], self._variables.index(pair), len(self.atoms)))
            return len(self.atoms) - 1
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value >= 0:
            return ("integer", node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return ("minus", self._read(node.operand))
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult)):
            name = "sum" if isinstance(node.op, ast.Add) else "product"
            return (name, self._read(node.left), self._read(node.right))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant) and \
                type(node.right.value) is int and node.right.value >= 0:
            return ("power", self._read(node.left), node.right.value)
        raise self._refuse(ast.unparse(node))

    def _combine(self, leaves: Sequence[Tuple[Any, Any]], algebra: Any) -> Tuple[Any, Any]:
        """(k, c) from those of the atoms; c is None where k may be negative."""

        def walk(tree: Any) -> Tuple[Any, Any]:
            if isinstance(tree, int):
                return leaves[tree]
            if tree[0] == "integer":
                return algebra.integer(tree[1])
            first = walk(tree[1])
            if tree[0] == "minus":
                return algebra.minus(first[0]), None
            if tree[0] == "power":
                return algebra.power(first[0], tree[2]), None if first[1] is None else algebra.times(first[1], tree[2])
            second = walk(tree[2])
            known = first[1] is not None and second[1] is not None
            if tree[0] == "product":
                return algebra.product(first[0], second[0]), algebra.sum(first[1], second[1]) if known else None
            total = algebra.sum(first[0], second[0])
            return total, algebra.log(total) if known else None

        return walk(self._tree)

    def __repr__(self) -> str:
        return f"Kernel({self.name!r})" if self.name else f"Kernel(formula_sum={self.atoms[0].formula.formula_sum!r})"


class _Text:
    """Kernels as formula text."""

    integer = staticmethod(lambda n: (f"IntCst({n})", f"Log(IntCst({n}))"))
    minus = staticmethod(lambda k: f"(-{k})")
    sum = staticmethod(lambda a, b: f"({a}+{b})")
    product = staticmethod(lambda a, b: f"({a}*{b})")
    power = staticmethod(lambda k, n: f"Square({k})" if n == 2 else f"Pow({k},{n})")
    times = staticmethod(lambda c, n: f"(IntCst({n})*{c})")
    log = staticmethod(lambda k: f"Log({k})")


class _Matrix:
    """Kernels as (M, N) matrices."""

    integer = staticmethod(lambda n: (torch.tensor(float(n)), torch.tensor(float(n)).log()))
    minus = staticmethod(lambda k: -k)
    sum = staticmethod(lambda a, b: a + b)
    product = staticmethod(lambda a, b: a * b)
    power = staticmethod(lambda k, n: k**n)
    times = staticmethod(lambda c, n: n * c)
    log = staticmethod(lambda k: k.log())


# --- Modes ------------------------------------------------------------------------------------------------------------


class _Mode(NamedTuple):
    """:ivar needs_log: whether it is about c, not k.
    :ivar categories: the index of each b.
    :ivar op: the reduction of ``formula``, a text with {K}, and {0}, {1}, ... for the bs.
    :ivar dense: the same of matrices, from k or c (M, N) and the bs as (M, 1, E) or (1, N, E).
    :ivar scaled: the matrix that the backend "matrix" gives."""

    needs_log: bool
    categories: str
    op: str
    formula: str
    dense: Callable[..., Tensor]
    scaled: Callable[..., Tensor] = lambda k, *bs: k


def _log_scaled(c, b, a_log, b_log, *_):
    return c + a_log[..., 0] + b_log[..., 0]


_MODES = {
    "sum": _Mode(False, "j", "Sum", "{K}*{0}", lambda k, b: (k[..., None] * b).sum(1)),
    "lse": _Mode(True, "j", "LogSumExp", "{K}+{0}", lambda c, b: (c[..., None] + b).logsumexp(1)),
    "log_scaled": _Mode(True, "jij", "Sum", "Exp({K}+{1}+{2})*{0}",
                        lambda c, b, u, v: ((c[..., None] + u + v).exp() * b).sum(1), _log_scaled),
    "log_scaled_lse": _Mode(True, "jij", "LogSumExp", "{K}+{1}+{2}+{0}",
                            lambda c, b, u, v: (c[..., None] + u + v + b).logsumexp(1), _log_scaled),
    "log_scaled_barycenter": _Mode(True, "jiji", "Sum", "Exp({K}+{1}+{2})*({0}-{3})",
                                   lambda c, b, u, v, b2: ((c[..., None] + u + v).exp() * (b - b2)).sum(1), _log_scaled),
    "lse_mult_i": _Mode(True, "ji", "LogSumExp", "{1}*{K}+{0}", lambda c, b, a: (a * c[..., None] + b).logsumexp(1)),
    "sinkhorn_primal": _Mode(True, "ijij", "Sum", "({2}+{3}-IntCst(1))*Exp({K}+{0}+{1})",
                             lambda c, a, b, u, v: ((u + v - 1) * (c[..., None] + a + b).exp()).sum(1)),
    "sinkhorn_cost": _Mode(True, "ij", "Sum", "(-{K})*Exp({K}+{0}+{1})",
                           lambda c, a, b: (-c[..., None] * (c[..., None] + a + b).exp()).sum(1)),
}

# --- Products ---------------------------------------------------------------------------------------------------------


def _points(what: str, points: Any, kernel: Kernel) -> Tuple[Tensor, ...]:
    points = tuple(points) if isinstance(points, (tuple, list)) else (points, )
    if len(points) != len(kernel.variables):
        raise ValueError(f"{what}: expected {len(kernel.variables)} tensors, one for each of the pairs "
                         f"{', '.join(f'({a},{b})' for a, b in kernel.variables)} of {kernel!r}, got {len(points)}")
    for number, tensor in enumerate(points):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{what}[{number}]: expected a PyTorch tensor, got {type(tensor).__name__}")
        if tensor.ndim != 2:
            raise ValueError(f"{what}[{number}]: expected a tensor of shape (rows, D), got shape {tuple(tensor.shape)}")
    return points


def _parameters(gamma: Any, kernel: Kernel, x: Sequence[Tensor]) -> List[Optional[Tuple[str, Tensor]]]:
    """For each atom the category of its parameters, and a tensor."""
    # A pair of a category and a tensor is one entry, not two.
    is_entry = not isinstance(gamma, (tuple, list)) or (len(gamma) == 2 and isinstance(gamma[0], str))
    entries = [gamma] if is_entry else list(gamma)
    if entries == [None]:
        entries *= len(kernel.atoms)
    if len(entries) != len(kernel.atoms):
        raise ValueError(f"gamma: expected {len(kernel.atoms)} entries, one for each kernel in {kernel!r}, got {len(entries)}")
    found: List[Optional[Tuple[str, Tensor]]] = []
    for number, (entry, atom) in enumerate(zip(entries, kernel.atoms)):
        what = f"gamma[{number}]"
        if entry is None:
            texts = (atom.formula.formula_sum or "") + (atom.formula.formula_log or "")
            if "{G}" in texts:
                raise ValueError(f"{what}: expected a tensor, because the kernel has parameters, got None")
            found.append(None)
            continue
        category, tensor = entry if isinstance(entry, (tuple, list)) and len(entry) == 2 else (None, entry)
        if category not in (None, "i", "j"):
            raise _options.refuse(what, "a tensor, ('i', tensor) or ('j', tensor)", entry)
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{what}: expected a PyTorch tensor, got {type(tensor).__name__}")
        tensor = tensor.reshape(1) if tensor.ndim == 0 else tensor
        if tensor.ndim > 2 or (category and tensor.ndim != 2):
            raise ValueError(f"{what}: expected a tensor of shape {'(rows, K)' if category else '(K,) or (N, K)'}, got "
                             f"shape {tuple(tensor.shape)}")
        dim = x[atom.pair].shape[1]
        if tensor.shape[-1] not in (1, dim, dim * dim):
            raise ValueError(f"{what}: expected 1, {dim} or {dim * dim} components for points of {dim} coordinates, got "
                             f"{tensor.shape[-1]}")
        found.append((category or ("p" if tensor.ndim == 1 else "j"), tensor))
    return found


_DECLARATION = {"i": "Vi", "j": "Vj", "p": "Pm"}


@lru_cache(maxsize=1024)
def _reduction(formula: str, aliases: Tuple[str, ...], op: str) -> Genred:
    return Genred(formula, aliases, reduction_op=op, axis=1)


def _weighted(x: Tensor, y: Tensor, entry: Tuple[str, Tensor]) -> Tensor:
    """(M, N): (x_i - y_j)^T G (x_i - y_j)."""
    category, weights = entry
    weights = weights[:, None] if category == "i" else weights[None] if category == "j" else weights[None, None]
    difference = x[:, None] - y[None]
    dim = x.shape[1]
    if weights.shape[-1] == dim * dim and dim > 1:
        image = (weights.unflatten(-1, (dim, dim)) * difference[..., None, :]).sum(-1)
        return (difference * image).sum(-1)
    return (weights * difference**2).sum(-1)


def _matrices(kernel: Kernel, x: Sequence[Tensor], y: Sequence[Tensor], gamma: Sequence[Optional[Tuple[str, Tensor]]],
              needs_log: bool) -> Tensor:
    leaves = []
    for atom, entry in zip(kernel.atoms, gamma):
        own_x, own_y = x[atom.pair], y[atom.pair]
        inputs = {"x": own_x, "y": own_y, "gxmy2": None if entry is None else _weighted(own_x, own_y, entry),
                  "xsy": own_x @ own_y.t()}
        routine, log_routine = atom.formula.routine_sum, atom.formula.routine_log
        if routine is None and log_routine is None:
            raise ValueError(f"backend: expected a routine for each kernel, which {kernel!r} lacks, for whole matrices")
        k = routine(**inputs) if routine else log_routine(**inputs).exp()  # type: ignore[misc]
        leaves.append((k, (log_routine(**inputs) if log_routine else k.log()) if needs_log else k))
    found = kernel._combine(leaves, _Matrix)[1 if needs_log else 0]
    return _expect_log(found, kernel) + x[0].new_zeros(len(x[0]), len(y[0]))


def _expect_log(found: Any, kernel: Kernel) -> Any:
    if found is None:
        raise ValueError(f"mode: expected 'sum' for {kernel!r}, which may be negative and has no logarithm")
    return found


def kernel_product(params: Dict[str, Any], x: Any, y: Any, *bs: Tensor, mode: Optional[str] = None,
                   backend: Optional[str] = None, dtype: Any = "float32", cuda_type: Any = None) -> Tensor:
    """Products with the matrix of a kernel, differentiable with respect to x, y, the bs and gamma.

    With k = k(x_i, y_j), c = log k:

    =======================  ============================  ======================================
    mode                     bs, and their index           result, for each i
    =======================  ============================  ======================================
    "sum"                    b[j]                          sum_j k b_j
    "lse"                    b[j]                          log sum_j exp(c + b_j)
    "log_scaled"             b[j], a_log[i], b_log[j]      sum_j exp(c + a_log_i + b_log_j) b_j
    "log_scaled_lse"         b[j], a_log[i], b_log[j]      log sum_j exp(c + a_log_i + b_log_j + b_j)
    "log_scaled_barycenter"  b[j], a_log[i], b_log[j],     sum_j exp(c + a_log_i + b_log_j) (b_j - b2_i)
                             b2[i]
    "lse_mult_i"             b[j], a[i]                    log sum_j exp(a_i c + b_j)
    "sinkhorn_primal"        a[i], b[j], u[i], v[j]        sum_j (u_i + v_j - 1) exp(c + a_i + b_j)
    "sinkhorn_cost"          a[i], b[j]                    - sum_j c exp(c + a_i + b_j)
    =======================  ============================  ======================================

    :param params: "id", the ``Kernel``; "gamma", its parameters; and, if they are not given here, "mode" and "backend".
        There is one entry of gamma for each kernel that the name mentions: a vector (K,) for all pairs, (N, K) for each j,
        or ``("i", tensor)`` (M, K) or ``("j", tensor)``. K is 1 for a factor of the squared distance, D for one of each
        coordinate, D*D for a symmetric matrix, row by row. None for kernels without parameters.
    :param x: (M, D) tensor of points, or one for each pair of variables of the kernel.
    :param y: (N, D) likewise.
    :param bs: tensors (M, E) or (N, E); E is 1 but for those that are multiplied.
    :param backend: "auto" or another of ``Genred``; "pytorch" for the same with whole matrices in memory; "matrix" for the
        (M, N) matrix k, c, or c + a_log_i + b_log_j itself.
    :param dtype: accepted and without effect, as ``cuda_type``: that of the tensors decides.
    :returns: an (M, E) tensor.
    :raises ValueError: an unknown mode, not the tensors that it takes, or shapes that do not fit.
    :raises TypeError: something is no tensor; ``params["id"]`` is no ``Kernel``.
    """
    kernel = params.get("id")
    if not isinstance(kernel, Kernel):
        raise TypeError(f"params: expected a Kernel as 'id', got {kernel!r}")
    mode = mode or params.get("mode", "sum")
    backend = backend or params.get("backend", "auto")
    if mode not in _MODES:
        raise _options.refuse("mode", f"one of {', '.join(map(repr, _MODES))}", mode)
    if backend not in ("pytorch", "matrix"):
        _options.find_target(backend, -1)
    chosen = _MODES[mode]
    x, y = _points("x", x, kernel), _points("y", y, kernel)
    for number, (own, other) in enumerate(zip(x, y)):
        if own.shape[1] != other.shape[1]:
            raise ValueError(f"y[{number}]: expected {own.shape[1]} coordinates as in x[{number}], got {other.shape[1]}")
    gamma = _parameters(params.get("gamma"), kernel, x)
    if len(bs) != len(chosen.categories):
        raise ValueError(f"bs: expected {len(chosen.categories)} tensors, with rows of {', '.join(chosen.categories)}, for "
                         f"mode {mode!r}, got {len(bs)}")
    for number, (b, category) in enumerate(zip(bs, chosen.categories)):
        if not isinstance(b, Tensor):
            raise TypeError(f"bs[{number}]: expected a PyTorch tensor, got {type(b).__name__}")
        rows = len(x[0] if category == "i" else y[0])
        if b.ndim != 2 or len(b) != rows:
            raise ValueError(f"bs[{number}]: expected a tensor of shape ({rows}, E), with a row for each {category}, got "
                             f"shape {tuple(b.shape)}")

    if backend in ("pytorch", "matrix"):
        matrix = _matrices(kernel, x, y, gamma, chosen.needs_log)
        spread = [b[:, None] if category == "i" else b[None] for b, category in zip(bs, chosen.categories)]
        return (chosen.scaled if backend == "matrix" else chosen.dense)(matrix, *spread)

    aliases: List[str] = []
    arguments: List[Tensor] = []

    def declare(name: str, category: str, tensor: Tensor) -> str:
        if name not in (alias.split(" ")[0] for alias in aliases):
            aliases.append(f"{name} = {_DECLARATION[category]}({tensor.shape[-1]})")
            arguments.append(tensor)
        return name

    leaves = []
    for atom, entry in zip(kernel.atoms, gamma):
        names = {"X": declare(f"x{atom.pair}", "i", x[atom.pair]), "Y": declare(f"y{atom.pair}", "j", y[atom.pair]), "G": ""}
        if entry is not None:
            names["G"] = declare(f"g{atom.number}", *entry)
        texts = atom.formula
        if texts.formula_sum is None and texts.formula_log is None:
            raise ValueError(f"backend: expected 'pytorch' or 'matrix' for {kernel!r}, which has routines only")
        k = (texts.formula_sum or f"Exp({texts.formula_log})").format(**names)
        leaves.append((k, texts.formula_log.format(**names) if texts.formula_log else f"Log({k})"))
    text = kernel._combine(leaves, _Text)[1 if chosen.needs_log else 0]
    columns = [declare(f"b{number}", category, b) for number, (b, category) in enumerate(zip(bs, chosen.categories))]
    formula = chosen.formula.format(*columns, K=_expect_log(text, kernel))
    return _reduction(formula, tuple(aliases), chosen.op)(*arguments, backend=backend)
