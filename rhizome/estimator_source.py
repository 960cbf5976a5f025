"""The source of an estimator factory: its module, and the modules of the same project that it imports.

It is read and not run: a start must not import an estimator. Installed libraries are told apart by their versions.
"""

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

from rhizome.manifest import hash_file

_INSTALLED_FOLDERS = frozenset({"site-packages", "dist-packages"})
_OWN_PACKAGES = frozenset({"rhizome", "gateway", "worker", "trainer"})  #: told by the version of Rhizome


def hash_source(estimator: str) -> str | None:
    """The SHA-256 of what `module:function` is written in, or None if it cannot be found without importing it."""
    sources = _find_sources(estimator.partition(":")[0])
    if len(sources) <= 1:
        return next(map(hash_file, sources.values()), None)
    lines = [f"{name} {hash_file(path)}\n" for name, path in sorted(sources.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _find_sources(estimator: str) -> dict[str, Path]:
    """The file of the estimator's module, and of each that it imports, directly or not, by module."""
    found: dict[str, Path] = {}
    waiting = [estimator]
    while waiting:
        name = waiting.pop()
        path = None if name in found else _find_file(name)
        if path and (_package(name) == _package(estimator) or _is_of_the_project(name, path)):
            found[name] = path
            waiting.extend(_read_imports(name, path))
    return found


def _find_file(name: str) -> Path | None:
    inner = Path(*name.split("."))
    candidates = (
        Path(folder or ".") / file
        for folder in ("", *sys.path)
        for file in (inner.with_suffix(".py"), inner / "__init__.py")
    )
    return next((path for path in candidates if path.is_file()), None)


def _package(name: str) -> str:
    return name.partition(".")[0]


def _is_of_the_project(name: str, path: Path) -> bool:
    is_installed = _INSTALLED_FOLDERS & set(path.parts) or path.is_relative_to(sysconfig.get_path("stdlib"))
    return not is_installed and _package(name) not in _OWN_PACKAGES


def _read_imports(name: str, path: Path) -> Iterator[str]:
    """What a module may import: of `from a import b`, `a` and `a.b`, as `b` may be a module."""
    try:
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
    except (SyntaxError, ValueError):  # the training will say so
        return
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            try:
                module = resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:  # above the topmost package
                continue
            yield from (module, *(f"{module}.{alias.name}" for alias in node.names))
