"""The numbers of the libraries themselves, as `run.log` takes them."""

import importlib
import importlib.util
import math
import os

import numpy
import pytest

import tracker

NUMPY = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "longdouble",
]  # fmt: skip
ML_DTYPES = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"]
TORCH = [
    "bool", "uint8", "int8", "int16", "int32", "int64",
    "float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2",
]  # fmt: skip
JAX = [
    "bool", "uint8", "int8", "int16", "int32", "uint32", "float16", "bfloat16", "float32",
    "float8_e4m3fn",
]  # fmt: skip
# As large as all the others together: no case where it is not.
TENSORFLOW = (
    ["bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
    if importlib.util.find_spec("tensorflow")
    else []
)


def number(library, dtype, value):
    """A number of a library: several ways to have it, by name."""
    if library == "numpy":
        scalar = numpy.dtype(dtype).type(value)
        made = {"scalar": scalar, "0d": numpy.array(scalar)}
        if dtype != "longdouble":  # has no number of Python but by itself
            made["one"] = numpy.array([scalar])
        return made
    if library == "ml_dtypes":
        scalar = getattr(importlib.import_module("ml_dtypes"), dtype)(value)
        return {"scalar": scalar, "0d": numpy.array(scalar)}
    module = importlib.import_module(library)
    if library == "torch":
        plain = module.tensor(value, dtype=getattr(module, dtype))
        made = {"0d": plain, "one": plain.reshape(1, 1)}
        if dtype in ("float16", "bfloat16", "float32", "float64"):
            made["gradient"] = plain.clone().requires_grad_()
            made["result"] = made["gradient"] * 1
            made["parameter"] = module.nn.Parameter(plain)
        return made
    if library == "jax":
        plain = module.numpy.asarray(value).astype(getattr(module.numpy, dtype))
        return {"0d": plain, "jit": module.jit(lambda x: x)(plain), "one": plain.reshape(1)}
    plain = module.cast(numpy.array(value), dtype)
    return {"0d": plain, "variable": module.Variable(plain)}


CASES = [
    pytest.param(library, dtype, id=f"{library}-{dtype}")
    for library, dtypes in (
        ("numpy", NUMPY),
        ("ml_dtypes", ML_DTYPES),
        ("torch", TORCH),
        ("jax", JAX),
        ("tensorflow", TENSORFLOW),
    )
    for dtype in dtypes
]


@pytest.fixture(scope="module", autouse=True)
def on_cpu():
    os.environ.setdefault("JAX_PLATFORMS", "cpu")


@pytest.mark.parametrize(("library", "dtype"), CASES)
def test_a_number_of_a_library_is_the_number_it_shows(library, dtype):
    pytest.importorskip(library)
    value = 1 if "bool" in dtype else 3 if "int" in dtype else 1.5
    if dtype in ("float32", "float64"):
        value = 0.1  # not the same in both
    made = number(library, dtype, value)
    exact = numpy.float32(value) if dtype == "float32" else value
    with tracker.start_run() as run:
        run.log(made, step=next(iter(made.values())) if "int" in dtype else 3)
        run.log({"after": 0})
    read = tracker.run(run.id)
    after = read.metrics.pop("after") if "after" in read.metrics else None
    assert after == 0.0
    expected = dict.fromkeys(made, float(exact))
    assert {name: read.metrics[name] for name in made} == expected
    # A whole number is a step, too: the next one is one more.
    assert list(read.series("after").steps) == [4]


@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_what_is_no_finite_number_stays_that(library, dtype):
    pytest.importorskip(library)
    if (library, dtype) == ("numpy", "bfloat16"):
        library = "ml_dtypes"
        pytest.importorskip(library)
    with tracker.start_run() as run:
        for name, value in (("nan", math.nan), ("inf", math.inf), ("low", -math.inf)):
            run.log({name: number(library, dtype, value)["0d"]}, step=0)
    read = tracker.run(run.id).metrics
    assert math.isnan(read["nan"]) and read["inf"] == math.inf and read["low"] == -math.inf


@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
def test_arrays_are_series_and_no_numbers(library):
    pytest.importorskip(library)
    module = importlib.import_module("jax.numpy" if library == "jax" else library)
    values = module.linspace(0, 1, 9)
    with tracker.start_run() as run:
        run.log_series("curve", module.arange(9), values)
        with pytest.raises(TypeError, match='"a" is an array of shape .*9'):
            run.log({"a": values})
    read = tracker.run(run.id).series("curve")
    assert list(read.values) == [float(value) for value in values]


@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
def test_a_complex_number_is_none(library):
    pytest.importorskip(library)
    made = number(library, "complex64", 1j)["0d"]
    with tracker.start_run() as run, pytest.raises(TypeError, match='metric "z"'):
        run.log({"z": made})
