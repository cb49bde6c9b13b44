"""Sphinx configuration: pages that need no network, equations as MathML, tables computed by the library."""

import sys
from pathlib import Path

import replicas

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "replicas"
author = copyright = "the authors of replicas"
release = replicas.__version__
extensions = ["sphinx.ext.autodoc", "mathml", "derived", "tables", "record", "docstrings"]

html_theme = "furo"
html_title = f"replicas {release}"
html_static_path = ["_static"]
html_css_files = ["replicas.css"]
html_copy_source = html_show_sphinx = False
html_math_renderer = "mathml"

smartquotes = False
default_role = "py:obj"
highlight_language = "python"
pygments_style, pygments_dark_style = "friendly", "monokai"
exclude_patterns = ["_build"]
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
add_module_names = False
