"""What compiled Python has no word for: 64 16-bit words at once, bits, cache lines, addresses."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 64  # sums that one step of a scan looks at; accumulators come in whole steps
LINE = 16  # entries of a cache line
_function: Any = cgutils.get_or_insert_function
_intrinsic: Any = intrinsic  # untyped: it takes the typing context, its caller does not


@_intrinsic
def pointer(typing: Any, address: Any) -> Any:
    """Return an integer as a pointer."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(address), code


def _vector(context: Any, builder: Any, signature: Any, args: Any) -> tuple[Any, Any]:
    """Return a pointer to LANES 16-bit words of an array from an index on, and their type."""
    array = context.make_array(signature.args[0])(context, builder, args[0])
    kind = ir.VectorType(ir.IntType(16), LANES)
    place = builder.gep(array.data, [args[1]])
    return builder.bitcast(place, kind.as_pointer()), kind


@_intrinsic
def reaching(typing: Any, array: Any, index: Any, bar: Any) -> Any:
    """Return a bit for each of LANES words that is at least ``bar``."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place, kind = _vector(context, builder, signature, args)
        words = builder.load(place)
        words.align = 2
        blank = ir.Constant(kind, ir.Undefined)
        first = builder.insert_element(blank, args[2], ir.IntType(32)(0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        bars = builder.shuffle_vector(first, blank, everywhere)
        reached = builder.icmp_unsigned(">=", words, bars)
        return builder.bitcast(reached, ir.IntType(LANES))

    return types.uint64(array, index, types.uint16), code


@_intrinsic
def clear(typing: Any, array: Any, index: Any) -> Any:
    """Set LANES words to zero."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place, kind = _vector(context, builder, signature, args)
        stored = builder.store(ir.Constant(kind, [0] * LANES), place)
        stored.align = 2
        return context.get_dummy_value()

    return types.void(array, index), code


@_intrinsic
def n_bits(typing: Any, word: Any) -> Any:
    """Return how many bits of a word are set."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), code


@_intrinsic
def lowest_bit(typing: Any, word: Any) -> Any:
    """Return the place of the lowest bit that is set; the word is not zero."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.uint64(types.uint64), code


@_intrinsic
def fetch(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of an element; harmless whatever the index."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        flag, bytes_ = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [bytes_, flag, flag, flag])
        prefetch = _function(builder.module, kind, "llvm.prefetch.p0")
        place = builder.bitcast(builder.gep(array.data, [args[1]]), bytes_)
        builder.call(prefetch, [place, flag(0), flag(3), flag(1)])  # to read, keep, data
        return context.get_dummy_value()

    return types.void(array, index), code
