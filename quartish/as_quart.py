"""Make `import quart`, and every `quart.x`, mean quartish in this process.

    import quartish.as_quart  # before anything that imports quart

    pytest -p quartish.as_quart

For extensions and tests that nobody edited. Raises ImportError where Quart itself was
imported before. `quart.x` is the module `quartish.x`, with few exceptions: where Quart has
a name that is the plain colour's in quartish, and where it cuts its modules differently.
"""

from __future__ import annotations

from ._module_alias import install
from ._quart.modules import BUILT
from ._quart.modules import MODULES

VERSION = "0.22.0"

install("quart", "quartish.quart", VERSION, MODULES, BUILT)
