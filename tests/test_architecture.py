"""The layers hold: imports go downward only, and heavy packages stay in their homes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A layer may import itself and what stands in its list. Everything may import the contract.
LAYERS = {
    "contract": [],
    "data": ["contract"],
    "metrics": ["contract"],
    "measure": ["contract"],
    "compare": ["contract"],
    "store": ["contract"],
    "run": ["contract", "data", "metrics", "measure"],
    "report": ["contract", "compare"],
    "exchange": ["contract", "metrics", "compare"],
    "gate": ["contract", "compare"],
    "cli": [
        "contract", "data", "metrics", "measure", "compare", "store", "run", "report", "exchange",
        "gate",
    ],
    "methods": ["contract"],
}  # fmt: skip
STAGES = ("data", "metrics", "measure", "compare", "store", "run", "report", "exchange", "gate")
CLI = ("arguments", "cli", "console", "__main__", "commands")

# Where a heavy package may be imported; a name ending in a slash is a folder.
HOMES = {
    "torch": ("methods/", "harness/measure/"),
    "faiss": ("methods/ann/",),
    "scann": ("methods/ann/",),
    "hnswlib": ("methods/ann/",),
    "seismic": ("methods/sparcode/serving/seismic_engine.py",),
    "pandas": ("harness/compare/", "harness/report/", "harness/exchange/table_file.py"),
    "pyarrow": ("harness/data/deezer.py",),
    "h5py": ("harness/exchange/ann_results.py", "harness/data/ann_benchmarks.py"),
    "tabulate": ("harness/report/table.py", "harness/commands/list.py", "harness/commands/data.py"),
    "optuna": ("harness/run/sampler.py",),
    "vl_convert": ("harness/report/drawing.py",),
    "rich": ("harness/console.py", "harness/commands/data.py"),
    "numba": ("harness/metrics/", "harness/measure/threads.py", "methods/"),
    "scipy": ("methods/", "harness/compare/", "harness/gate/"),
    "triton": ("methods/sparcode/serving/triton_kernels.py",),
    "pynvml": ("harness/measure/nvml.py",),
    "psutil": ("harness/measure/",),
    "threadpoolctl": ("harness/measure/", "methods/classical/ease.py"),
}
FAMILIES = (
    "two_tower",
    "all_to_all",
    "sparcode",
    "classical",
    "matrix_factorisation",
    "multi_interest",
    "learned_similarity",
    "late_interaction",
)
SHARED_FAMILIES = ("ann", "encoders", "interactions")
# A family that stands on another. The mixture of logits is all-to-all with one interaction: model,
# training and exhaustive search are those, and the family adds what its components allow.
STANDS_ON = {"learned_similarity": ("all_to_all",)}


def sources():
    return sorted(
        path for package in ("harness", "methods") for path in (ROOT / package).rglob("*.py")
    )


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path):
    """Return every module a file imports, with the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; imports go one way"
            yield node.module, node.lineno


def layer_of(module):
    head, _, rest = module.partition(".")
    if head == "methods":
        return "methods"
    part = rest.partition(".")[0]
    if part in CLI:
        return "cli"
    return part if part in STAGES else "contract"


@pytest.mark.parametrize("path", sources(), ids=module_name)
def test_imports_go_downward(path):
    """No module imports from a layer that its own layer does not stand on."""
    layer = layer_of(module_name(path))
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {layer} imports {name}"
        for name, line in imported(path)
        if name.split(".")[0] in ("harness", "methods")
        and layer_of(name) not in (layer, *LAYERS[layer])
    ]
    assert wrong == []


@pytest.mark.parametrize("path", sources(), ids=module_name)
def test_no_import_hides_in_a_function(path):
    """An import inside a function would dodge a circle; there is none."""
    hidden = [
        node.lineno
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


@pytest.mark.parametrize("path", sources(), ids=module_name)
def test_heavy_packages_stay_at_home(path):
    """torch, faiss, pandas and the like are imported where they belong and nowhere else."""
    place = path.relative_to(ROOT).as_posix()
    strays = [
        f"{place}:{line}: {name}"
        for name, line in imported(path)
        if name.split(".")[0] in HOMES and not place.startswith(HOMES[name.split(".")[0]])
    ]
    assert strays == []


@pytest.mark.parametrize("path", sorted((ROOT / "methods").rglob("*.py")), ids=module_name)
def test_families_stay_apart(path):
    """A family of methods imports no other family, only what all share and what it stands on."""
    family = module_name(path).split(".")[1:2]
    own = (*family, *STANDS_ON.get("".join(family), ()))
    others = {f"methods.{name}" for name in FAMILIES if name not in own}
    if family and family[0] in SHARED_FAMILIES:
        others = {f"methods.{name}" for name in FAMILIES}
    wrong = [name for name, _ in imported(path) if ".".join(name.split(".")[:2]) in others]
    assert wrong == []


def test_packages_are_loaded_from_this_checkout():
    """`harness` and `methods` are generic names; both come from here, not from elsewhere."""
    code = "import harness, methods; print(harness.__file__); print(methods.__file__)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    expected = [str(ROOT / name / "__init__.py") for name in ("harness", "methods")]
    assert done.stdout.split() == expected


def test_list_imports_nothing_heavy():
    """`matchbench list` loads neither torch nor faiss, nor numba, nor pandas."""
    code = (
        "import sys; from harness.cli import main; status = main(['list']); "
        "print(sorted({'torch', 'faiss', 'numba', 'pandas', 'scipy'} & set(sys.modules)), "
        "file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "[]")


def test_packages_are_listed():
    """Every folder with an __init__ is in pyproject.toml, so that an install holds it."""
    listed = (ROOT / "pyproject.toml").read_text()
    for path in sources():
        if path.name == "__init__.py":
            assert f'"{module_name(path)}"' in listed
