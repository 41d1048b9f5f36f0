# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a ``Genred`` is for any library of arrays; a front says how it is compiled and called."""

from typing import Any, Generic, Iterable, Optional, Tuple, Type, TypeVar

from keops import _keops, _options, _progress


class GenredBase:
    """The options of a reduction, checked, and the compiled reduction."""

    _compiled: _keops.Callable

    def __init__(self, formula: str, aliases: Iterable[str], reduction_op: str = "Sum", axis: int = 0,
                 dtype: Optional[str] = None, opt_arg: Optional[int] = None, formula2: Optional[str] = None,
                 cuda_type: Optional[str] = None, dtype_acc: str = "auto", use_double_acc: bool = False,
                 sum_scheme: str = "auto", enable_chunks: bool = True, rec_multVar_highdim: Any = False,
                 use_fast_math: bool = True, precision: str = "exact"):
        complex_type = _options.find_complex_type(dtype)
        _options.warn_deprecated(dtype=None if complex_type else dtype, cuda_type=cuda_type)
        for option, text in (("formula", formula), ("formula2", formula2)):
            if not isinstance(text, str) and (option == "formula" or text is not None):
                raise TypeError(f"{option}: expected formula text, got {text!r}")
        kind, k = _options.find_reduction(reduction_op, opt_arg, formula2)
        accumulator, compensated = _options.find_accumulator(kind, reduction_op, dtype_acc, use_double_acc, sum_scheme)
        complete, declarations = _options.complete_aliases(aliases, formula, formula2)
        self.formula = formula
        self.aliases = complete
        self.reduction_op = reduction_op
        self.opt_arg = opt_arg
        self.formula2 = formula2
        self._dtype = complex_type
        # As the constructor takes them after those.
        self._how = (accumulator or "auto", False, sum_scheme, True, False, True, precision)
        self._compile((kind.name, formula, complete, declarations, formula2, k, _options.check_axis(axis), accumulator,
                       compensated, _options.is_fast(precision)), complex_type)
        self.axis = self._compiled.axis

    def _compile(self, arguments: Tuple[Any, ...], complex_type: Optional[str]) -> None:
        """Sets ``_compiled``, from the arguments of ``_keops.Callable`` and the last of them."""
        raise NotImplementedError

    def describe_code(self, dtype: str, phase: str = "explain") -> str:
        """What the compiler makes of the reduction for arrays of a dtype.

        :param dtype: "float32", "float64", "float16" or "bfloat16".
        :param phase: "explain" for the schedule and the cost of a pair; otherwise the program after a phase: "formula",
            "expanded", "simplified", "factorized", "split", "scheduled", "tiled", "staged", "approximated", "llvm",
            "llvmir" or "asm".
        """
        return self._compiled.describe_code(dtype, phase)

    def _call_with_bar(self, args: Tuple[Any, ...], **options: Any) -> Any:
        """The call without ``progress``, with a bar."""
        return _progress.with_bar(self.reduction_op, lambda: self(*args, **options))  # type: ignore[operator]

    def __repr__(self) -> str:
        return (f"{type(self).__name__}({self.formula!r}, {self.aliases!r}, reduction_op={self.reduction_op!r}, "
                f"axis={self.axis}, opt_arg={self.opt_arg!r}, formula2={self.formula2!r})")

    def __reduce__(self) -> Tuple[Any, ...]:
        # Copies compile again, or find the code in the caches.
        return type(self), (self.formula, self.aliases, self.reduction_op, self.axis, self._dtype, self.opt_arg,
                            self.formula2, None) + self._how


Reduction = TypeVar("Reduction", bound=GenredBase)


class GenericReductions(Generic[Reduction]):
    """The functions of older programs that make a ``Genred`` whose axis follows from the declaration of the output, for
    the ``Genred`` of a front."""

    def __init__(self, genred: Type[Reduction]):
        self._genred = genred

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._genred.__module__}.{self._genred.__name__})"

    def generic_sum(self, formula: str, output: str, *aliases: str, **options: Any) -> Reduction:
        """``Genred`` for sum_j F_ij, whose axis follows from the declaration of the output.

        :param formula: F.
        :param output: "a = Vi(D)" to reduce over j and get (M, D) numbers, "a = Vj(D)" to reduce over i and get (N, D).
        :param aliases: the arguments of the call, as in ``Genred``.
        :param options: further options of ``Genred``.
        :raises ValueError: ``output`` is not such a declaration, or as ``Genred`` does.

        >>> from keops.numpy import generic_sum
        >>> generic_sum("Exp(-SqDist(x,y)) * b", "a = Vi(1)", "x = Vi(3)", "y = Vj(3)", "b = Vj(1)").axis
        1
        """
        axis, _ = _options.parse_output(output)
        return self._genred(formula, aliases, reduction_op="Sum", axis=axis, **options)

    def generic_logsumexp(self, formula: str, output: str, *aliases: str, **options: Any) -> Reduction:
        """``Genred`` for log sum_j exp(F_ij), of shape (M, 1), or (M, E) if ``formula2`` gives weights G of dimension E;
        (N, 1) or (N, E) if ``output`` is declared as Vj. Parameters and errors are those of ``generic_sum``."""
        axis, _ = _options.parse_output(output)
        return self._genred(formula, aliases, reduction_op="LogSumExp", axis=axis, **options)

    def generic_argmin(self, formula: str, output: str, *aliases: str, **options: Any) -> Reduction:
        """``Genred`` for the smallest j where F_ij is least, for each component: int64 of shape (M, D), or (N, D) if
        ``output`` is declared as Vj. Parameters and errors are those of ``generic_sum``."""
        axis, _ = _options.parse_output(output)
        return self._genred(formula, aliases, reduction_op="ArgMin", axis=axis, **options)

    def generic_argkmin(self, formula: str, output: str, *aliases: str, **options: Any) -> Reduction:
        """``Genred`` for the j of the K smallest F_ij, ascending in F, where ``output`` is "a = Vi(K)" or "a = Vj(K)":
        int64 of shape (M, K), or (M, K, D) if F has D > 1 components. Parameters and errors are those of
        ``generic_sum``."""
        axis, k = _options.parse_output(output)
        return self._genred(formula, aliases, reduction_op="ArgKMin", axis=axis, opt_arg=k, **options)
