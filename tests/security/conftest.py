from __future__ import annotations

import pytest

from tests.security._ways import Way
from tests.security._ways import WAYS


@pytest.fixture(params=WAYS, ids=lambda way: way.name.replace(" ", "-"))
def way(request: pytest.FixtureRequest) -> Way:
    """Each way to an app in turn."""
    found: Way = request.param
    return found
