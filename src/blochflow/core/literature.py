"""The bibliography: entries of ``literature.bib`` by key, for results, `blochflow explain` and `blochflow cite`."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from importlib import resources

from blochflow.core.checks import fail, nearest


@functools.cache
def entries() -> dict[str, str]:
    """All BibTeX entries, key -> text.

    Examples
    --------
    >>> from blochflow.core.literature import entries
    >>> "Wang2006" in entries()
    True
    """
    text = resources.files("blochflow.core").joinpath("literature.bib").read_text(encoding="utf-8")
    blocks = [block.strip() for block in re.split(r"^(?=@)", text, flags=re.MULTILINE)]
    found = {}
    for block in blocks:
        match = re.match(r"@\w+\{\s*([^,\s]+)\s*,", block)
        if match:
            found[match.group(1)] = block
    return found


def bibtex(keys: Iterable[str]) -> str:
    """BibTeX text of several entries, in the order given, each once.

    Raises
    ------
    ValueError
        A key that is not in the bibliography; the nearest is named.

    Examples
    --------
    >>> from blochflow.core.literature import bibtex
    >>> bibtex(["Vanderbilt2018"]).splitlines()[0]
    '@book{Vanderbilt2018,'
    """
    return "\n\n".join(_entry(key) for key in dict.fromkeys(keys))


def short_citation(key: str) -> str:
    """One line: authors, title, where, year.

    Examples
    --------
    >>> from blochflow.core.literature import short_citation
    >>> short_citation("Wang2006")
    'Wang, Yates, Souza, Vanderbilt, Physical Review B 74, 195118 (2006)'
    """
    entry = _entry(key)
    authors = [name.split(",")[0].strip() for name in field(entry, "author").split(" and ")]
    names = ", ".join(authors) if len(authors) <= 4 else f"{authors[0]} et al."
    place = field(entry, "journal") or ", ".join(x for x in (field(entry, "title"), field(entry, "publisher")) if x)
    numbers = " ".join(x for x in (field(entry, "volume"),) if x)
    pages = field(entry, "pages").split("--")[0]
    where = f"{place} {numbers}".strip() + (f", {pages}" if pages else "")
    return f"{names}, {where} ({field(entry, 'year')})"


def field(entry: str, name: str) -> str:
    """A field of a BibTeX entry without braces, or an empty string."""
    match = re.search(rf"\b{name}\s*=\s*\{{", entry)
    if not match:
        return ""
    depth, start = 1, match.end()
    for position in range(start, len(entry)):
        depth += {"{": 1, "}": -1}.get(entry[position], 0)
        if depth == 0:
            return re.sub(r"[{}]", "", entry[start:position])
    return ""


def _entry(key: str) -> str:
    if key not in entries():
        hint = nearest(key, entries())
        suffix = f" (did you mean {hint!r}?)" if hint else ""
        raise fail("keys", "name entries of literature.bib", f"{key!r} is not one{suffix}")
    return entries()[key]
