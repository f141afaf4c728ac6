"""The site of the documents: it builds without a warning, and its links lead somewhere."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from .pages import PAGES, build_site


class Page(HTMLParser):
    """What a page of the site asks for, where it links to, and its anchors."""

    ASKS = {"script": "src", "link": "href", "img": "src", "iframe": "src"}

    def __init__(self, path: Path):
        super().__init__()
        self.asked: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.anchors |= {told[name] for name in ("id", "name") if told.get(name)}
        if tag in self.ASKS and told.get(self.ASKS[tag]):
            self.asked.append(told[self.ASKS[tag]])
        if tag == "a" and told.get("href"):
            self.links.append(told["href"])


@pytest.mark.docs
def test_links_and_pictures_of_the_site_are_there_and_no_other_host_is_asked(tmp_path):
    site = build_site(tmp_path)
    names = {Path(page).stem for page in PAGES if page.startswith("docs/")}
    assert names <= {path.stem for path in site.glob("*.html")}
    pages = {path.resolve(): Page(path) for path in site.rglob("*.html")}
    assert len(pages) > len(PAGES)
    lost = []
    for path, page in pages.items():
        for target in page.asked + page.links:
            parts = urlsplit(target)
            if parts.scheme == "data" or (target in page.links and parts.scheme):
                continue  # a picture in the page itself; an address that a reader may open
            there = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            if parts.netloc or not there.exists():
                lost.append((path.name, target))
            elif parts.fragment and there in pages:
                if unquote(parts.fragment) not in pages[there].anchors:
                    lost.append((path.name, target))
    assert [one for one in lost if one[0] != "404.html"] == []
