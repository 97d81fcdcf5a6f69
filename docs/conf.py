"""The configuration of the site. `scripts/docs` builds it."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

project = "quartish"
author = "the quartish authors"
copyright = author
version = release = metadata.version("quartish")
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "checkout",
    "drawings",
    "names",
    "tables",
    "plain",
]
exclude_patterns = ["_ext", "_static"]

# Names of what quartish is written on are links where it is wished: INTERSPHINX=1 fetches the
# inventories of their sites, INTERSPHINX=FOLDER takes FOLDER/flask.inv and its like.
if chosen := os.environ.get("INTERSPHINX"):
    extensions.append("sphinx.ext.intersphinx")
    sites = {
        "python": "https://docs.python.org/3/",
        "flask": "https://flask.palletsprojects.com/en/stable/",
        "quart": "https://quart.palletsprojects.com/en/stable/",
        "werkzeug": "https://werkzeug.palletsprojects.com/en/stable/",
        "jinja": "https://jinja.palletsprojects.com/en/stable/",
        "click": "https://click.palletsprojects.com/en/stable/",
    }
    local = {name: Path(chosen).absolute() / f"{name}.inv" for name in sites}
    intersphinx_mapping = {
        name: (url, str(local[name]) if local[name].exists() else None)
        for name, url in sites.items()
        if chosen == "1" or local[name].exists()
    }

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 4

# A word between backticks is code in docstrings, and a link where it is the name of something.
default_role = "name"
autodoc_member_order = "groupwise"
autodoc_class_signature = "separated"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
# A name in an annotation may be of either colour.
suppress_warnings = ["ref.python"]
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Flask", "Quart", "Source"]

html_theme = "furo"
html_title = "quartish"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["quartish.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
