"""For a build that writes only some pages: no search index, which would need all of them."""

from sphinx.application import Sphinx


def leave_out_the_index(app: Sphinx) -> None:
    app.builder.search = False


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", leave_out_the_index)
    return {"version": "1", "parallel_read_safe": True}
