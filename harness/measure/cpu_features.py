"""What floating-point results depend on beside the code: the processor's instructions.

Libraries choose kernels by them (BLAS, numpy, torch), and numba compiles for the processor it is
on; a sum in another order is another sum in its last bits. Environment variables that change the
choice count too.
"""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from harness.measure.machine import describe_environment

# Instruction sets by which kernels are chosen; other flags change no sum.
SETS = (
    "sse4_1", "sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "amx_tile", "amx_bf16",
    "amx_int8", "asimd", "asimddp", "sve", "sve2", "bf16", "i8mm",
)  # fmt: skip
PREFIX = "avx512"
IDENTITY = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU part")
CHOOSING = (
    "ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES", "NUMBA_CPU_FEATURES", "NUMBA_CPU_NAME", "OPENBLAS_CORETYPE",
)  # fmt: skip


def arithmetic() -> Mapping[str, str]:
    """Return all that decides the last bits of a float: equal where results must be equal."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    variables = {name: os.environ[name] for name in CHOOSING if name in os.environ}
    return {
        "architecture": platform.machine(),
        **processor_of(text),
        **variables,
        **describe_environment(),
    }


def processor_of(cpuinfo: str) -> dict[str, str]:
    r"""Return the kind of the first processor and its instruction sets, from /proc/cpuinfo.

    >>> processor_of("model\t: 17\nflags\t: fpu fma avx512f avx2\n\nmodel\t: 18")
    {'model': '17', 'instructions': 'avx2 avx512f fma'}
    """
    facts = {}
    for line in cpuinfo.partition("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        facts[name.strip()] = value.strip()
    flags = facts.get("flags", facts.get("Features", "")).split()
    known = sorted(one for one in flags if one in SETS or one.startswith(PREFIX))
    kept = {name: facts[name] for name in IDENTITY if name in facts}
    return {**kept, "instructions": " ".join(known)} if facts else {}
