"""Keep every page to itself: no script from another host, no script that fails without one.

Jupyter Book always loads sphinx-thebe, whose script names a CDN and throws an error on every page that does not use it.
The course runs no code in the browser, so all of that extension's work is undone.
"""

from sphinx.application import Sphinx


def disconnect(app: Sphinx, package: str) -> None:
    """Remove all event handlers, scripts and style sheets that an extension package has registered."""
    for listeners in list(app.events.listeners.values()):
        for listener in list(listeners):
            if (listener.handler.__module__ or "").split(".")[0] == package:
                app.disconnect(listener.id)
    name = package.replace("_", "-")
    app.registry.css_files[:] = [entry for entry in app.registry.css_files if name not in entry[0]]


def setup(app: Sphinx) -> dict:
    disconnect(app, "sphinx_thebe")
    return {"version": "1", "parallel_read_safe": True}
