"""Every module has a test file of its own name, or a test whose docstring names it."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODULES = [
    path.relative_to(ROOT / "dcmls_tf")
    for path in sorted((ROOT / "dcmls_tf").rglob("*.py"))
    if path.stem != "__init__"
]


def said_to_cover(module):
    """Whether a test has the module's name in its docstring."""
    files = (ROOT / "tests").rglob("test_*.py")
    docstrings = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "" for path in files)
    names = f"`{module.stem}`", f"`{module.parent}.{module.stem}`"
    return any(name in docstring for docstring in docstrings for name in names)


def test_every_module_has_a_test():
    missing = [
        str(module)
        for module in MODULES
        if not (ROOT / "tests" / module.parent / f"test_{module.name}").exists()
        and not said_to_cover(module)
    ]
    assert len(MODULES) > 60
    assert missing == []
