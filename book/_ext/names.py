"""What is described under a name of the package.

`course.data.load` is `course.data.registry.load`. Each is described once, on the page of the module that defines it; a
reference to the short path is followed there. Of a method that only says again what a class inherits, one paragraph is
enough: other libraries write their own headings.
"""

from pkgutil import resolve_name

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

PACKAGE = "course."


def defined_as(name: str) -> str | None:
    """The full name of a re-exported class or function, None when the name is no such thing."""
    try:
        found = resolve_name(name)
    except (ImportError, AttributeError):
        return None
    home = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    return home if home.startswith(PACKAGE) and home != name else None


def follow(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Element) -> nodes.Node | None:
    """Resolve a reference that found nothing, under the name by which its target is described."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith(PACKAGE):
        return None
    name = defined_as(target)
    if name is None:
        return None
    docname, kind = node["refdoc"], node["reftype"]
    return env.get_domain("py").resolve_xref(env, docname, app.builder, kind, name, node, contnode)


def shorten(app: Sphinx, what: str, name: str, described: object, options: object, lines: list[str]) -> None:
    """Keep the first paragraph of an inherited docstring."""
    if what == "method" and getattr(described, "__doc__", None) is None and "" in lines:
        del lines[lines.index("") :]


def setup(app: Sphinx) -> dict:
    app.connect("missing-reference", follow)
    app.connect("autodoc-process-docstring", shorten)
    return {"version": "1", "parallel_read_safe": True}
