"""MkDocs' hooks: README, CONTRIBUTING and the tour as pages, with links that hold there too."""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
COPIES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md"}
TOUR, TOUR_PAGE = "docs/tour.ipynb", "tour.md"
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the repository's own pages, which have one home each, outside of `docs/`."""
    for page, source in COPIES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    notebook = json.loads((ROOT / TOUR).read_text(encoding="utf-8"))
    text = "\n\n".join(part for cell in notebook["cells"] for part in _parts(cell))
    files.append(File.generated(config, TOUR_PAGE, content=text))
    return files


def _parts(cell: dict[str, Any]) -> Iterator[str]:
    """A notebook's cell, and what it printed and showed, as Markdown."""
    source = "".join(cell["source"])
    yield source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if "image/jpeg" in data:
            # No Markdown, whose links are changed below.
            yield f'<img alt="" src="data:image/jpeg;base64,{"".join(data["image/jpeg"]).strip()}">'
        else:
            yield "```text\n" + "".join(output.get("text") or data["text/plain"]) + "\n```"


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Leads links of the repository to the site's pages; what has none there stays text."""
    uri = page.file.src_uri
    folder = posixpath.dirname(COPIES.get(uri, f"docs/{uri}"))

    def on_site(link: re.Match[str]) -> str:
        text, target, anchor = link[1], posixpath.normpath(posixpath.join(folder, link[2])), link[3]
        page_there = _page_of(target)
        if page_there is None:
            return text
        there = posixpath.relpath(page_there, posixpath.dirname(uri) or ".")
        return f"[{text}]({there}{anchor or ''})"

    return LINK.sub(on_site, markdown)


def _page_of(target: str) -> str | None:
    """The site's page of a file in the repository, from the site's root, or `None`."""
    copies = {TOUR: TOUR_PAGE} | {source: page for page, source in COPIES.items()}
    if target in copies or target.startswith("docs/"):
        return copies.get(target, target.removeprefix("docs/"))
    module = target.removesuffix(".py").replace("/", ".")
    for page in sorted((ROOT / "docs" / "api").glob("*.md")):
        if f"::: {module}\n" in page.read_text(encoding="utf-8"):
            return f"api/{page.name}#{module}"
    return None
