# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The formulas that the GPU suite runs with keops-run: each is checked against the reference interpreter.

A case is (name, formula, reduction options, arguments, sizes, more options). What is listed here is run on the simulator,
too, so a case that fails on a device alone is the device's or the runtime's.
"""

XY = ["x=Vi(3):random", "y=Vj(3):random"]
XYB = XY + ["b=Vj(1):random"]
GAUSS = "Exp(-SqDist(x,y))*b"

# Rows and columns that fill neither a block nor a tile, one of them alone, and none.
SIZES = [(67, 131), (1029, 3), (2, 515), (1, 700), (130, 1)]

REDUCTIONS = [
    ("sum", []), ("logsumexp", []), ("min", []), ("max", []), ("argmin", []), ("argmax", []), ("min_argmin", []),
    ("max_argmax", []), ("kmin", ["--k", "3"]), ("argkmin", ["--k", "3"]), ("kmin_argkmin", ["--k", "12"]),
]

# Formulas by what they ask of code: functions, choices, vectors, derivatives, programs of several passes.
FORMULAS = [
    ("functions", "Exp(-x*y)+Sin(x)+Cos(y)+Log(1+x*x)+Sqrt(1+y*y)+Rsqrt(1+x*x)+Inv(2+y*y)", XY),
    ("choices", "IfElse(x-y,x*y,Abs(x)+Step(y))+Clamp(x,-1,1)+Sign(y)+ReLU(x)", XY),
    ("powers", "Pow(x,3)+Square(y)+Powf(1+x*x,y)", XY),
    ("rounding", "Floor(3*x)+Round(y,1)+Mod(x,2,0)", XY),
    ("cauchy", "Inv(1+SqDist(x,y))*b", XYB),
    ("norms", "Norm2(x-y)+(x|y)+WeightedSqNorm(s,x-y)", XY + ["s=Pm(1):0.5"]),
    ("vectors", "Concat(x,y)*Extract(Concat(y,x),0,6)", XY),
    ("matrices", "MatVecMult(a,x)+VecMatMult(y,a)", XY + ["a=Pm(9):random"]),
    ("products", "TensorProd(x,y)", XY),
    ("gradient", "Grad(Exp(-SqDist(x,y))*b,x,e)", XYB + ["e=Vi(1):random"]),
    ("second derivative", "Grad(Grad(Exp(-SqDist(x,y))*b,x,e),y,f)", XYB + ["e=Vi(1):random", "f=Vi(3):random"]),
    ("divergence", "Divergence(Exp(-SqDist(x,y))*x,x)", XY),
    ("spline", "BSpline(t,x*y,2)", ["x=Vi(1):random", "y=Vj(1):random", "t=Pm(6):-1,-0.5,0.125,0.125,0.5,1"]),
    ("alignment", "SoftDTW_SqDist(x,y,g)", ["x=Vi(3):random", "y=Vj(4):random", "g=Pm(1):0.5"]),
    ("gamma", "Digamma(1+x*x)+Polygamma(1+y*y,1)", ["x=Vi(1):random", "y=Vj(1):random"]),
    ("many components", "Exp(-SqDist(x,y)/10)*b", ["x=Vi(40):random", "y=Vj(40):random", "b=Vj(1):random"]),
    ("many results", "Exp(-SqDist(x,y))*b", XY + ["b=Vj(20):random"]),
]

WHOLE = [
    ("log-sum-exp of the other index", "Grad(LogSumExp_Reduction(-SqDist(x,y),0),y,e)", XY + ["e=Vi(1):random"]),
    ("softmax", "SumSoftMaxWeight_Reduction(-SqDist(x,y),0,y)", XY),
    ("gradient of a minimum", "Grad(Min_Reduction(SqDist(x,y),0),y,e)", XY + ["e=Vi(1):random"]),
    ("gradient of a minimum of its rows", "Grad(Min_Reduction(SqDist(x,y),0),x,e)", XY + ["e=Vi(1):random"]),
    ("gradient of maxima", "Grad(Max_Reduction(x*y,0),y,e)", XY + ["e=Vi(3):random"]),
    ("gradient of the nearest", "Grad(KMin_Reduction(SqDist(x,y),4,0),y,e)", XY + ["e=Vi(4):random"]),
    ("gradient in a parameter", "Grad(Sum_Reduction(Exp(-s*SqDist(x,y)),0),s,e)",
     XY + ["s=Pm(1):0.5", "e=Vi(1):random"]),
]


def reduction_cases():
    for name, options in REDUCTIONS:
        for rows, columns in SIZES:
            for over in ("j", "i"):
                yield (f"{name} over {over}, {rows} x {columns}", "SqDist(x,y)", ["--reduce", name, "--over", over] +
                       options, XY, (rows, columns), [])


def type_cases():
    for dtype in ("f16", "bf16", "f64"):
        for name in ("sum", "logsumexp", "argmin"):
            yield f"{name} in {dtype}", "-SqDist(x,y)", ["--reduce", name], XY, (67, 131), ["--dtype", dtype]
        yield (f"gradient of the nearest in {dtype}", WHOLE[5][1], [], WHOLE[5][2], (67, 131), ["--dtype", dtype])
    for how in ("float64", "kahan"):
        yield f"sums {how}", GAUSS, ["--reduce", "sum"], XYB, (67, 1031), ["--sums", how]


def formula_cases():
    for name, formula, arguments in FORMULAS:
        for dtype in ("f32", "f64"):
            yield f"{name} in {dtype}", formula, ["--reduce", "sum"], arguments, (67, 37), ["--dtype", dtype]
    for name, formula, arguments in WHOLE:
        yield name, formula, [], arguments, (67, 131), []


def large_cases():
    """Sizes that the simulator would need hours for."""
    yield "sum, 100000 x 100000", GAUSS, ["--reduce", "sum"], XYB, (100000, 100000), []
    yield "log-sum-exp, 100000 x 100000", "-SqDist(x,y)", ["--reduce", "logsumexp"], XY, (100000, 100000), []
    yield "sum, 10 x 10000000", GAUSS, ["--reduce", "sum"], XYB, (10, 10000000), ["--check-rows", "1"]
    yield "sum, 10000000 x 10", GAUSS, ["--reduce", "sum"], XYB, (10000000, 10), []
    yield "gradient of a minimum, 100000 x 3", WHOLE[2][1], [], WHOLE[2][2], (100000, 3), []
    yield "argkmin, 20000 x 100000", "SqDist(x,y)", ["--reduce", "argkmin", "--k", "10"], XY, (20000, 100000), []


def cases(is_device):
    yield from reduction_cases()
    yield from type_cases()
    yield from formula_cases()
    if is_device:
        yield from large_cases()


def command(keops_run, target, case):
    """The words of the command of a case."""
    _, formula, options, arguments, (rows, columns), more = case
    words = [keops_run, formula, *options, *arguments, "--rows", str(rows), "--cols", str(columns), "--target", target,
             "--check", *more]
    return words if "--check-rows" in more else words + ["--check-rows", "200" if rows < 2000 else "20"]
