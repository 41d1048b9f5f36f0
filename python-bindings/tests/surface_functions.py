# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The table of functions and of reductions of formula text: name, signature, and expressions with what dense NumPy has
for each. A signature or expression that only one front has stands under the front's name."""

ALIASES = "['x = Vi(3)', 'y = Vj(3)', 'b = Vj(2)']"
KERNEL = "'Exp(-SqDist(x,y))*b'"
VARIABLE = "(x_or_ind, dim=None)"
GENERIC = "(formula, output, *aliases, **options)"
SUM = f"Genred({KERNEL}, {ALIASES}, axis=1)"
SYSTEM = "['x = Vi(3)', 'y = Vj(3)', 'a = Vj(6)'], 'a', axis=1"
SOLUTION = "linalg.solve(exp(-((x - x_[None])**2).sum(-1)) + 0.5*eye(6), A_)"


def generic(function, formula, output, *names):
    aliases = ", ".join(f"'{name} = {'Vi' if name in 'xu' else 'Vj'}({dim})'" for name, dim in names)
    return f"{function}('{formula}', '{output}', {aliases})({', '.join(name + '_' for name, _ in names)})"


MODULE = [
    ("Var", "(x_or_ind, dim=None, cat=None)", {"Var(x_, 0) - Var(y_, 1)": "x - y",
                                               "Var(x_, cat=0) + Var(p_, 2)": "x + p",
                                               "(Var(0, 3, 0) + Var(1, 3, 1)).sum(axis=1)(x_, y_)":
                                               "reduced('Sum', x + y)"}),
    ("Vi", VARIABLE, {"Vi(x_) - y": "x - y", "(Vi(0, 3) + y).sum(axis=1)(x_)": "reduced('Sum', x + y)"}),
    ("Vj", VARIABLE, {"x - Vj(y_)": "x - y", "(x + Vj(0, 3)).sum(axis=1)(y_)": "reduced('Sum', x + y)"}),
    ("Pm", VARIABLE, {"x*Pm(p_)": "x*p", "x*Pm(2.5)": "x*2.5", "x*Pm([1, 2, 3])": "x*array([1, 2, 3])",
                      "(x*Pm(0, 3)).sum(axis=0)(p_)": "(x*p).sum(0)"}),
    ("generic_sum", GENERIC,
     {generic("generic_sum", "Exp(-SqDist(x,y))*b", "a = Vi(2)", ("x", 3), ("y", 3), ("b", 2)): "(K*b).sum(1)",
      generic("generic_sum", "Exp(-SqDist(x,y))*u", "a = Vj(1)", ("x", 3), ("y", 3), ("u", 1)): "(K*u).sum(0)"}),
    ("generic_logsumexp", GENERIC,
     {generic("generic_logsumexp", "(x|y)", "a = Vi(1)", ("x", 3), ("y", 3)): "reduced('LogSumExp', dot(x, y))"}),
    ("generic_argmin", GENERIC,
     {generic("generic_argmin", "SqDist(x,y)", "a = Vj(1)", ("x", 3), ("y", 3)): "reduced('ArgMin', -K, 0)"}),
    ("generic_argkmin", GENERIC,
     {generic("generic_argkmin", "SqDist(x,y)", "a = Vi(3)", ("x", 3), ("y", 3)): "reduced('ArgKMin', -K, 1, 3)"}),
]

GENRED = [
    ("__init__",
     "(self, formula, aliases, reduction_op='Sum', axis=0, dtype=None, opt_arg=None, formula2=None, cuda_type=None, "
     "dtype_acc='auto', use_double_acc=False, sum_scheme='auto', enable_chunks=True, rec_multVar_highdim=False, "
     "use_fast_math=True, precision='exact')",
     {f"Genred({KERNEL}, ('x = Vi(3)', 'y = Vj(3)', 'b = Vj(2)'), 'Sum', 1)(x_, y_, b_)": "(K*b).sum(1)",
      f"Genred({KERNEL}, {ALIASES})(x_, y_, b_)": "(K*b).sum(0)",
      f"Genred({KERNEL}, {ALIASES}, axis=1, dtype_acc='float64', sum_scheme='kahan_scheme', enable_chunks=False, "
      "rec_multVar_highdim=1, use_fast_math=False, precision='fast')(x_, y_, b_)": "(K*b).sum(1)",
      f"Genred({KERNEL}, {ALIASES}, axis=1, use_double_acc=True, sum_scheme='block_sum')(x_, y_, b_)": "(K*b).sum(1)",
      f"Genred('x*y', {ALIASES}, 'KMin', 1, opt_arg=2)(x_, y_, b_)": "reduced('KMin', x*y, 1, 2)",
      f"Genred('SqDist(x,y)', {ALIASES}, 'LogSumExp', 1, formula2='Square(b)')(x_, y_, b_)":
      "reduced('LogSumExpWeight', -log(K), G=b**2)",
      f"Genred('SqDist(x,y)', {ALIASES}, 'SumSoftMaxWeight', 1, formula2='b')(x_, y_, b_)":
      "reduced('SumSoftMaxWeight', -log(K), G=b)",
      "Genred('Var(0,3,0)-Var(1,3,1)', [], axis=1)(x_, y_)": "(x - y).sum(1)",
      "Genred('ComplexMult(z,w)', ['z = Vi(4)', 'w = Vj(4)'], axis=1, dtype='complex128')(z_, w_)": "(z*w).sum(1)"}),
    ("__call__", "(self, *args, backend='auto', device_id=-1, ranges=None, out=None, progress=False)",
     {f"{SUM}(x_, y_, b_, backend='CPU', device_id=0)": "(K*b).sum(1)",
      f"{SUM}(x_, y_, b_, ranges=ranges_)": "(K*keep*b).sum(1)",
      f"[(result := array(np.zeros((6, 2)))), {SUM}(x_, y_, b_, out=result) is result, result][1:]":
      "[True, (K*b).sum(1)]",
      f"{SUM}(x_[None], y_, b_)": "(K*b).sum(1)[None]"}),
    ("__repr__", "(self)", {f"eval(repr({SUM}))(x_, y_, b_)": "(K*b).sum(1)"}),
    ("describe_code", "(self, dtype, phase='explain')", {f"'pairs/s' in {SUM}.describe_code('float32')": "True"}),
]
for _kind in ("Sum", "Min", "Max", "ArgMin", "ArgMax", "Min_ArgMin", "Max_ArgMax"):
    GENRED[0][2][f"Genred('x-y', {ALIASES}, '{_kind}', 1)(x_, y_, b_)"] = f"reduced('{_kind}', x - y)"
for _kind in ("ArgKMin", "KMin_ArgKMin"):
    GENRED[0][2][f"Genred('SqDist(x,y)', {ALIASES}, '{_kind}', 0, opt_arg=4)(x_, y_, b_)"] = \
        f"reduced('{_kind}', -log(K), 0, 4)"

KERNEL_SOLVE = [
    ("__init__", {"numpy": "(self, formula, aliases, varinvalias, axis=0, dtype=None, opt_arg=None, dtype_acc='auto', "
                           "use_double_acc=False, sum_scheme='auto', enable_chunks=True, rec_multVar_highdim=None, "
                           "use_fast_math=True, precision='exact')",
                  "torch": "(self, formula, aliases, varinvalias, axis=0, dtype_acc='auto', use_double_acc=False, "
                           "sum_scheme='auto', enable_chunks=True, rec_multVar_highdim=None, dtype=None, cuda_type=None, "
                           "use_fast_math=True, precision='exact')"},
     {f"KernelSolve('Exp(-SqDist(x,y))*a', {SYSTEM}, use_double_acc=True)(x_, x_, A_, alpha=0.5, eps=1e-12)": SOLUTION,
      "KernelSolve('Exp(-SqDist(x,y))*Var(2,6,1)', ['x = Vi(3)', 'y = Vj(3)'], 'Var(2,6,1)', axis=1)(x_, x_, A_, alpha=0.5, eps=1e-12)":
      SOLUTION}),
    ("__call__", "(self, *args, backend='auto', device_id=-1, alpha=1e-10, eps=1e-06, ranges=None, progress=False)",
     {f"KernelSolve('Exp(-SqDist(x,y))*a', {SYSTEM})(x_, x_, A_, backend='CPU', device_id=0, alpha=0.5, eps=1e-12)":
      SOLUTION,
      "KernelSolve('Exp(-SqDist(x,y))*a', ['x = Vi(3)', 'y = Vj(3)', 'a = Vi(6)'], 'a')(x_, x_, A_, alpha=0.5, eps=1e-12)": SOLUTION}),
    ("describe_code", "(self, dtype, phase='explain')",
     {f"'pairs/s' in KernelSolve('Exp(-SqDist(x,y))*a', {SYSTEM}).describe_code('float64')": "True"}),
    ("__repr__", "(self)", {f"'Exp(-SqDist(x,y))*a' in repr(KernelSolve('Exp(-SqDist(x,y))*a', {SYSTEM}))": "True"}),
]

MEANS = "array([x_[labels_ == n].mean(0) for n in range(3)])"
WEIGHTED = "array([(u_*x_)[labels_ == n].sum(0)/u_[labels_ == n].sum() for n in range(3)])"
CLUSTER = [
    ("grid_cluster", "(x, size)",
     {"numpy": {"grid_cluster(x_, 0.5)": "unique(floor(x_/0.5), axis=0, return_inverse=True)[1].reshape(-1)"},
                                   "torch":
      {"grid_cluster(x_, 0.5)": "unique(floor((x_ - x_.min(0))/0.5), axis=0, "
                                             "return_inverse=True)[1].reshape(-1)"}}),
    ("sort_clusters", "(x, lab)", {"sort_clusters(x_, labels_)": "(x_[[1, 4, 0, 3, 5, 2]], array([0, 0, 1, 1, 1, 2]))",
                                   "sort_clusters((x_, u_), labels_)[0]":
                                   "(x_[[1, 4, 0, 3, 5, 2]], u_[[1, 4, 0, 3, 5, 2]])"}),
    ("cluster_ranges", "(lab, Nlab=None)", {"cluster_ranges(labels_)": "array([[0, 2], [2, 5], [5, 6]])",
                                            "cluster_ranges(labels_, i64(1, 2, 3))":
                                            "array([[0, 1], [1, 3], [3, 6]])"}),
    ("cluster_centroids", "(x, lab, Nlab=None, weights=None, weights_c=None)",
     {"cluster_centroids(x_, labels_)": MEANS, "cluster_centroids(x_, labels_, i64(2, 3, 1))": MEANS,
      "cluster_centroids(x_, labels_, weights=u_[:, 0])": WEIGHTED}),
    ("cluster_ranges_centroids",
     {"numpy": "(x, lab, weights=None)", "torch": "(x, lab, weights=None, min_weight=1e-09)"},
     {"cluster_ranges_centroids(x_, labels_)": f"(array([[0, 2], [2, 5], [5, 6]]), {MEANS}, array([2., 3., 1.]))",
      "cluster_ranges_centroids(x_, labels_, u_[:, 0]**2)[2]":
      "array([(u_**2)[labels_ == n].sum() for n in range(3)])"}),
    ("from_matrix", "(ranges_i, ranges_j, keep)",
     {"from_matrix(array(np.array([[0, 4], [4, 6]])), array(np.array([[0, 1], [1, 4], [4, 5]])), array(np.array([[True, False, True], "
      "[False, True, True]])))": "(array([[0, 4], [4, 6]]), array([2, 4]), array([[0, 1], [4, 5], [1, 4], [4, 5]]), "
      "array([[0, 1], [1, 4], [4, 5]]), array([1, 2, 4]), array([[0, 4], [4, 6], [0, 4], [4, 6]]))"}),
    ("swap_axes", "(ranges)", {"swap_axes(ranges_)": "ranges_[3:] + ranges_[:3]", "swap_axes(None)": "None"}),
]

RADIUS = "sqrt(((x - y)**2).sum(-1, keepdims=True))/0.7"
RADIAL = {"gaussian": f"exp(-({RADIUS})**2)", "laplacian": f"exp(-{RADIUS})", "cauchy": f"1/(1 + ({RADIUS})**2)",
          "inverse_multiquadric": f"1/sqrt(1 + ({RADIUS})**2)"}
RADIAL_CONV = [
    ("__init__", "(self, dtype)", {}),
    ("__call__", "(self, x, y, beta, sigma, kernel='gaussian')",
     {f"RadialKernelConv('float64')(x_, y_, b_, 0.7, '{name}')": f"(({k})*b).sum(1)" for name, k in RADIAL.items()}),
]
RADIAL_GRADIENT = [
    ("__init__", "(self, dtype)", {}),
    ("__call__", "(self, a, x, y, beta, sigma, kernel='gaussian')",
     {"RadialKernelGrad1conv('float64')(u_*np.ones(2), x_, y_, b_, 0.7)":
      f"(-2*(x - y)/0.49*({RADIAL['gaussian']})*dot(u*ones(2), b)).sum(1)"}),
]

# q is the squared distance, weighted with a number, a diagonal, or a matrix.
Q = "(2.5*((x - y)**2).sum(-1, keepdims=True))"
ATOMS = {"linear": ("dot(x, y)", "0.5*log(dot(x, y)**2 + 1e-8)"), "gaussian": (f"exp(-{Q})", f"-{Q}"),
         "laplacian": (f"exp(-sqrt({Q}))", f"-sqrt({Q})"), "cauchy": (f"1/(1 + {Q})", f"-log(1 + {Q})"),
         "inverse_multiquadric": (f"1/sqrt(1 + {Q})", f"-0.5*log(1 + {Q})"),
         "distance": (f"sqrt({Q})", f"0.5*log({Q})")}
MODES = {"log_scaled": ("b_, u_, v_", "(exp({c} + u + v)*b).sum(1)"),
         "log_scaled_lse": ("v_, u_, v_", "reduced('LogSumExp', {c} + u + v + v)"),
         "log_scaled_barycenter": ("b_, u_, v_, A_[:, :2]", "(exp({c} + u + v)*(b - A[..., :2])).sum(1)"),
         "lse_mult_i": ("v_, u_", "reduced('LogSumExp', u*{c} + v)"),
         "sinkhorn_primal": ("u_, v_, xp_[:, :1], vp_", "((xp[..., :1] + vp - 1)*exp({c} + u + v)).sum(1)"),
         "sinkhorn_cost": ("u_, v_", "(-{c}*exp({c} + u + v)).sum(1)")}


def product(name, gamma, arguments, mode="sum", backend="auto", points="x_, y_"):
    return (f"kernel_product({{'id': Kernel('{name}'), 'gamma': {gamma}}}, {points}, {arguments}, mode='{mode}', "
            f"backend='{backend}')")


SCALAR = "array(np.array([2.5]))"
PRODUCTS = {}
for _name, (_k, _c) in ATOMS.items():
    _gamma = "None" if _name == "linear" else SCALAR
    for _backend in ("auto", "pytorch"):
        # Whole matrices have a small number under their roots.
        _exact = _name not in ("laplacian", "distance") or _backend == "auto"
        _k, _c = (_k, _c) if _exact else (_k.replace(Q, f"({Q} + 1e-8)"), _c.replace(Q, f"({Q} + 1e-8)"))
        PRODUCTS[product(f"{_name}(x,y)", _gamma, "b_", backend=_backend)] = f"({_k}*b).sum(1)"
        PRODUCTS[product(f"{_name}(x,y)", _gamma, "v_", "lse", _backend)] = f"reduced('LogSumExp', {_c} + v)"
for _mode, (_arguments, _dense) in MODES.items():
    for _backend in ("auto", "pytorch"):
        PRODUCTS[product("cauchy(x,y)", SCALAR, _arguments, _mode,
                         _backend)] = _dense.format(c=f"({ATOMS['cauchy'][1]})")
PRODUCTS.update({
    product("gaussian(x,y)", SCALAR, "b_", backend="matrix"): f"exp(-{Q})[..., 0]",
    product("gaussian(x,y)", "p_**2", "b_"): "(exp(-dot(p**2, (x - y)**2))*b).sum(1)",
    product("gaussian(x,y)", "array(np.eye(3).reshape(-1) + 0.2)", "b_"):
        "(exp(-dot(x - y, (x - y) + 0.2*dot(x - y, 1)))*b).sum(1)",
    product("gaussian(x,y)", "yp_", "b_"): "(exp(-dot(yp, (x - y)**2))*b).sum(1)",
    product("gaussian(x,y)", "('j', vp_)", "b_"): "(exp(-vp*dot(1, (x - y)**2))*b).sum(1)",
    product("gaussian(x,y)", "('i', xp_)", "b_"): "(exp(-dot(xp, (x - y)**2))*b).sum(1)",
    product("gaussian(x,y)*(2 + linear(u,v)**2)", f"({SCALAR}, None)", "b_", points="(x_, u_), (y_, v_)"):
        f"(exp(-{Q})*(2 + (u*v)**2)*b).sum(1)",
    product("-cauchy(x,y) + 2*distance(x,y)", f"({SCALAR}, {SCALAR})",
            "b_"): f"((-1/(1 + {Q}) + 2*sqrt({Q}))*b).sum(1)",
    "kernel_product({'id': Kernel(formula_sum='Exp({G}*({X}|{Y}))', formula_log='{G}*({X}|{Y})'), 'gamma': array(np.array([0.5])), "
    "'mode': 'lse'}, x_, y_, v_)": "reduced('LogSumExp', 0.5*dot(x, y) + v)",
    "kernel_product({'id': Kernel(routine_sum=lambda xsy, **_: xsy**2), 'gamma': None, 'backend': 'pytorch'}, x_, y_, b_)":
        "(dot(x, y)**2*b).sum(1)",
    "kernel_product({'id': Kernel(routine_log=lambda x, y, **_: x @ y.T), 'gamma': None}, x_, y_, v_, mode='lse', backend='pytorch')":
        "reduced('LogSumExp', dot(x, y) + v)",
})
TORCH = [
    ("kernel_product", "(params, x, y, *bs, mode=None, backend=None, dtype='float32', cuda_type=None)", PRODUCTS),
]
KERNELS = [
    ("__init__", "(self, name=None, formula_sum=None, routine_sum=None, formula_log=None, routine_log=None)", {}),
    ("__repr__", "(self)", {"'gaussian(x,y)' in repr(Kernel('gaussian(x,y)'))": "True"}),
    ("variables", "property", {"Kernel('gaussian(x,y)*linear(u,v)').variables": "(('x', 'y'), ('u', 'v'))"}),
]
