"""Sphinx configuration: every page with code is executed while the documentation is built."""

from __future__ import annotations

import os
import re
from typing import Any

import blochflow

project = "Blochflow"
copyright = "2026, Blochflow developers"
version = release = blochflow.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "furo"
html_title = "Blochflow"

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_render_markdown_format = "gfm"  # tables in outputs

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autoclass_content = "class"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False

# Kernels of the executed pages inherit the environment: compiled XLA code is reused from one build to the next.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.path.abspath(os.path.join("..", ".cache", "jax")))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

EQUATION = re.compile(r"^ {4}\S")
SECTIONS = {"Parameters", "Attributes", "Returns", "Raises", "Examples"}


def readable_as_plain_text(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Docstrings are plain text: indented ASCII equations become literal blocks, and |x| is no substitution."""
    end = next((i for i, line in enumerate(lines) if line.strip() in SECTIONS), len(lines))
    result: list[str] = []
    literal = False
    for i, line in enumerate(lines):
        if i < end and EQUATION.match(line) and not literal and (not result or not result[-1].strip()):
            result += ["::", ""]
            literal = True
        elif line.strip() and (i >= end or not line.startswith("    ")):
            literal = False
        result.append(line if literal or line.lstrip().startswith((">>>", "...")) else escape_bars(line))
    lines[:] = result


def escape_bars(line: str) -> str:
    """Escape vertical bars outside of ``literals``."""
    parts = line.split("``")
    return "``".join(part if i % 2 else part.replace("|", "\\|") for i, part in enumerate(parts))


def setup(app: Any) -> None:
    """Register the docstring hook, before napoleon's."""
    app.connect("autodoc-process-docstring", readable_as_plain_text, priority=100)
