"""Which pages are read or written again, beyond those that Sphinx knows of.

A page with code is read again when it has been executed again. All pages are written again, and so their links are
checked, when something that a link may lead to has gone or moved: a heading, a function, an equation.
"""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def depend_on_execution(app: Sphinx, doctree: nodes.document) -> None:
    kept = Path(app.srcdir).parent / "_build" / "executed" / f"{app.env.docname}.ipynb"
    if kept.exists():
        app.env.note_dependency(str(kept))


def targets(env: BuildEnvironment) -> set[tuple]:
    """What links lead to: name, page and anchor."""
    objects = [(kind, each[0], *each[3:5]) for kind, domain in env.domains.items() for each in domain.get_objects()]
    named = [*env.domaindata["std"]["anonlabels"].items(), *env.get_domain("math").equations.items()]
    return {*objects, *((name, *where[:2]) for name, where in named)}


def remember(app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set) -> list[str]:
    app.targets_before = targets(env)
    return []


def lost(app: Sphinx, env: BuildEnvironment) -> set[str]:
    return env.found_docs if app.targets_before - targets(env) else set()


def setup(app: Sphinx) -> dict:
    app.connect("doctree-read", depend_on_execution)
    app.connect("env-get-outdated", remember)
    app.connect("env-updated", lost)
    return {"version": "1", "parallel_read_safe": True}
