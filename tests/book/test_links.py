"""The built pages with the standard library only: every internal link arrives, and nothing is loaded from elsewhere."""

import re
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from book_files import BOOK, sources, toc

LOADING_RELATIONS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload"}
LOADED = dict.fromkeys(("script", "img", "iframe", "source", "video", "audio", "embed", "track"), "src")
LOADED |= {"object": "data", "image": "href", "use": "href"}
LINKS = {("a", "href"), ("form", "action")}
CSS_ADDRESS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")
# What a script would have to write to load something from another host when the page opens.
SCRIPT_LOADS = re.compile(
    r"(?:\.src\s*=|\.href\s*=|import\(|fetch\(|importScripts\(|open\(\s*['\"]GET['\"]\s*,)\s*['\"`](?:https?:)?//"
)


@dataclass
class Page:
    """The addresses in a page: where its links lead, what it loads, and the anchors it offers."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    nameless_images: list[str] = field(default_factory=list)
    ids_twice: list[str] = field(default_factory=list)


class Reader(HTMLParser):
    """Collects a :class:`Page`."""

    def __init__(self):
        super().__init__()
        self.page, self.inside = Page(), None

    def handle_starttag(self, tag, attributes):
        page, attributes = self.page, {name: value or "" for name, value in attributes}
        page.ids_twice += [attributes["id"]] if attributes.get("id") in page.anchors else []
        page.anchors |= {attributes[name] for name in ("id", "name") if name in attributes}
        page.links += [attributes[name] for name in ("href", "action") if (tag, name) in LINKS and name in attributes]
        if tag == "link" and LOADING_RELATIONS & set(attributes.get("rel", "").split()):
            page.loads.append(attributes.get("href", ""))
        if tag in LOADED:
            page.loads += [attributes[name] for name in (LOADED[tag], "xlink:href") if name in attributes]
            page.loads += [part.split()[0] for part in attributes.get("srcset", "").split(",") if part.strip()]
        if tag == "img" and not described(attributes):
            page.nameless_images.append(attributes.get("src", ""))
        if "style" in attributes:
            page.loads += css_addresses(attributes["style"])
        self.inside = tag if tag in ("style", "script") else None

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "style":
            self.page.loads += css_addresses(data)
        elif self.inside == "script":
            self.page.texts.append(data)


def described(attributes: dict[str, str]) -> bool:
    """Does an image say what it shows? An empty text is allowed (decoration); a file's name says nothing."""
    text = attributes.get("alt")
    return text is not None and not re.fullmatch(r"\S*\.(?:png|svg|jpe?g|gif|webp)", text)


def css_addresses(css: str) -> list[str]:
    return [first or second for first, second in CSS_ADDRESS.findall(css)]


def read_page(html: str) -> Page:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader.page


def external(address: str) -> bool:
    """Does loading this address leave the machine?"""
    parts = urlsplit(address.strip())
    return bool(parts.netloc) or parts.scheme in ("http", "https", "ftp", "ws", "wss")


def local(address: str) -> bool:
    """Is this an address inside the book?"""
    parts = urlsplit(address)
    return not external(address) and not parts.scheme


def broken_links(folder: Path, pages: dict[Path, Page]) -> list[str]:
    """Links and loads of pages below ``folder`` that lead to no file, or to no anchor of a page."""
    broken = []
    for path, page in pages.items():
        for address in filter(local, [*page.links, *page.loads]):
            parts = urlsplit(address)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target = target / "index.html"
            anchor = unquote(parts.fragment)
            if not target.is_relative_to(folder) or not target.exists():
                broken.append(f"{path.relative_to(folder)}: {address} is not there")
            elif anchor and target in pages and anchor not in pages[target].anchors:
                broken.append(f"{path.relative_to(folder)}: {address} has no such anchor")
    return broken


def external_loads(path: Path, page: Page) -> list[str]:
    """What a page, and the scripts and style sheets that it names, load from another host."""
    found = [address for address in page.loads if external(address)]
    found += [text[:80] for text in page.texts if SCRIPT_LOADS.search(text)]
    for address in filter(local, page.loads):
        found += loads_of_asset((path.parent / unquote(urlsplit(address).path)).resolve())
    return found


@cache
def loads_of_asset(path: Path) -> list[str]:
    if path.suffix == ".css" and path.exists():
        return [address for address in css_addresses(path.read_text(encoding="utf8")) if external(address)]
    if path.suffix == ".js" and path.exists():
        return [match[0] for match in SCRIPT_LOADS.finditer(path.read_text(encoding="utf8"))]
    return []


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    paths = [path for path in site.rglob("*.html") if "_static" not in path.relative_to(site).parts]
    return {path: read_page(path.read_text(encoding="utf8")) for path in paths}


@pytest.mark.book
class TestBuiltPages:
    def test_are_all_there(self, pages, site):
        assert not {name for name in toc() if site / f"{name}.html" not in pages}

    def test_links_and_anchors_lead_somewhere(self, pages, site):
        assert not broken_links(site, pages)

    def test_load_nothing_from_elsewhere(self, pages):
        assert not {str(path): found for path, page in pages.items() if (found := external_loads(path, page))}

    def test_describe_their_pictures(self, pages):
        assert not {str(path): page.nameless_images for path, page in pages.items() if page.nameless_images}

    def test_use_an_anchor_once(self, pages):
        assert not {str(path): page.ids_twice for path, page in pages.items() if page.ids_twice}

    def test_offer_each_notebook_for_download(self, pages, site):
        for notebook in (path.relative_to(BOOK) for path in sources(BOOK, ".ipynb")):
            page = site / notebook.with_suffix(".html")
            names = [Path(link).name for link in pages[page].links if link.startswith(("_sources", "../"))]
            assert notebook.name in names, notebook
            assert (site / "_sources" / notebook).exists()


# --- The checks see what they are for.


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//cdn.example/x.css">',
        '<link rel="preload" as="font" href="https://fonts.example/x.woff2">',
        '<img src="http://example.org/x.png" alt="">',
        '<img srcset="a.png 1x, https://example.org/b.png 2x" alt="">',
        "<style>@import 'https://fonts.example/css';</style>",
        '<p style="background: url(https://example.org/x.png)">',
        '<svg><image xlink:href="https://example.org/x.png"/></svg>',
        "<script>const s = document.createElement('script'); s.src = 'https://cdn.example/x.js'</script>",
        "<script>fetch(`https://example.org/x`)</script>",
    ],
)
def test_a_load_from_elsewhere_is_seen(html, tmp_path):
    assert external_loads(tmp_path / "x.html", read_page(html))


def test_a_load_in_a_style_sheet_or_script_of_the_page_is_seen_and_a_link_to_elsewhere_is_none(tmp_path):
    (tmp_path / "x.css").write_text("@font-face {src: url('https://fonts.example/x.woff2')}")
    (tmp_path / "x.js").write_text('import("https://cdn.example/x.js")')
    page = read_page('<link rel="stylesheet" href="x.css?v=1"><script src="x.js"></script>')
    assert len(external_loads(tmp_path / "x.html", page)) == 2
    page = read_page('<a href="https://x.org">x</a><link rel="canonical" href="https://x.org"><img src="data:,">')
    assert not external_loads(tmp_path / "x.html", page)
    assert not broken_links(tmp_path, {tmp_path / "x.html": read_page('<a href="https://example.org">x</a>')})


@pytest.mark.parametrize("address", ["no.html", "#no", "y.html#no", "../x.html", "no.png"])
def test_a_link_to_nowhere_is_seen(address, tmp_path):
    folder = tmp_path / "html"
    folder.mkdir()
    (tmp_path / "x.html").touch()
    pages = {}
    for name, html in (("x.html", f'<a href="{address}">x</a><a href="y.html#yes">y</a>'), ("y.html", '<p id="yes">')):
        (folder / name).write_text(html)
        pages[folder / name] = read_page(html)
    (found,) = broken_links(folder, pages)
    assert address in found


@pytest.mark.parametrize("alt", ["", ' alt="_images/4af2.png"', ' alt="x.svg"'])
def test_a_picture_without_words_is_seen(alt):
    assert read_page(f'<img src="x.png"{alt}>').nameless_images == ["x.png"]
    assert not read_page('<img src="x.png" alt="A rising curve.">').nameless_images


def test_an_anchor_that_leads_to_two_places_is_seen():
    assert read_page('<p id="a"></p><p id="b"></p><p id="a">').ids_twice == ["a"]
