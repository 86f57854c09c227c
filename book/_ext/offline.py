"""Keep every page to itself: no script from another host, no script that fails without one.

Jupyter Book always loads sphinx-thebe, whose script names a CDN and throws an error on every page that does not use it.
The course runs no code in the browser, so all of that extension's work is undone. The notebooks are also kept in step
with what they execute: without an execution cache (`make book` drops it when `course` changes) all are read again.
"""

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def disconnect(app: Sphinx, package: str) -> None:
    """Remove all event handlers, scripts and style sheets that an extension package has registered."""
    for listeners in list(app.events.listeners.values()):
        for listener in list(listeners):
            if (listener.handler.__module__ or "").split(".")[0] == package:
                app.disconnect(listener.id)
    name = package.replace("_", "-")
    app.registry.css_files[:] = [entry for entry in app.registry.css_files if name not in entry[0]]


def unexecuted(app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set) -> list[str]:
    """The notebooks, when there is no cache of their outputs."""
    cache = Path(app.outdir).parent / ".jupyter_cache"
    return [] if cache.exists() else [name for name in env.all_docs if env.doc2path(name).endswith(".ipynb")]


def setup(app: Sphinx) -> dict:
    disconnect(app, "sphinx_thebe")
    app.connect("env-get-outdated", unexecuted)
    return {"version": "1", "parallel_read_safe": True}
