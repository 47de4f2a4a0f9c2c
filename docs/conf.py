"""The site: `python3 noxfile.py -s docs` builds it from the pages of this folder."""

from importlib.metadata import version as version_of

project = "h5calib"
copyright = "2026, the h5calib developers"
version = release = version_of("h5calib")
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "h5calib"
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "dollarmath"]
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_use_rtype = False
suppress_warnings = ["myst.xref_missing"]  # links to source files, which a test follows
