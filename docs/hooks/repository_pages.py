"""Pages that lie outside ``docs/``, and links to files there: they work in the repository and in the site.

README.md is the site's first page. A link to another file of the repository leads to a copy of it in the
site, under ``source/``.
"""

import posixpath
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmark-scripts.md",
    "benchmarks/results/h200/README.md": "benchmarks-h200.md",
}
"""Files of the repository that are pages, and their names in the site."""

_FENCED: Final = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """MkDocs's hook: the pages of the repository beside those of ``docs/``."""
    for path, uri in PAGES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """MkDocs's hook: the page with links that are right in the site."""
    here = page.file.src_uri
    place = next((path for path, uri in PAGES.items() if uri == here), f"docs/{here}")

    def in_site(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(place), link[1]))
        uri = PAGES.get(path) or path.removeprefix("docs/")
        if uri == path:
            if not (ROOT / path).is_file():
                return link[1]  # MkDocs says that it is not there
            uri = f"source/{path}"
            if files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
        return posixpath.relpath(uri, posixpath.dirname(here) or ".")

    parts = _FENCED.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(in_site, part) for part in parts)
