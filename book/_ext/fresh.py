"""Which pages are read or written again, beyond those that Sphinx knows of, and which are removed.

A page with code is read again when it has been executed again. All pages are written again, and so their links are
checked, when anything changes that a page shows of others: what a link may lead to and what it may say (a title, a
caption, the number of a theorem), and the table of contents. A page whose source has gone is deleted.
"""

import copy
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

LAST = 900  # after Sphinx has given the numbers


def depend_on_execution(app: Sphinx, doctree: nodes.document) -> None:
    kept = Path(app.srcdir).parent / "_build" / "executed" / f"{app.env.docname}.ipynb"
    if kept.exists():
        app.env.note_dependency(str(kept))


def shown_elsewhere(env: BuildEnvironment) -> tuple:
    """What pages show of each other: where links lead, captions, titles, and every number."""
    objects = {(kind, each[0], *each[3:5]) for kind, domain in env.domains.items() for each in domain.get_objects()}
    standard = env.domaindata["std"]
    named = standard["labels"], standard["anonlabels"], env.get_domain("math").equations, env.toc_fignumbers
    # A page's headings and their numbers, and the pages below it.
    contents = {name: headings.pformat() for name, headings in env.tocs.items()}
    return objects, contents, copy.deepcopy(named)


def remember(app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set) -> list[str]:
    app.shown_before = shown_elsewhere(env)
    return []


def written_again(app: Sphinx, env: BuildEnvironment) -> set[str]:
    return set() if app.shown_before == shown_elsewhere(env) else env.found_docs


def delete_what_has_gone(app: Sphinx, error: Exception | None) -> None:
    """Delete the pages without a source: `_sources` holds a copy of the source of each page that was written."""
    kept = Path(app.outdir) / "_sources"
    if error:  # perhaps before the sources were looked for
        return
    for source in filter(Path.is_file, kept.rglob("*")):
        name = app.project.path2doc(str(Path(app.srcdir) / source.relative_to(kept)))
        if name not in app.env.found_docs:
            Path(app.builder.get_outfilename(name)).unlink(missing_ok=True)
            source.unlink()


def setup(app: Sphinx) -> dict:
    app.connect("doctree-read", depend_on_execution)
    app.connect("env-get-outdated", remember)
    app.connect("env-get-updated", written_again, priority=LAST)
    app.connect("build-finished", delete_what_has_gone)
    return {"version": "1", "parallel_read_safe": True}
