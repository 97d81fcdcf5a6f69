"""Views that say what they take and give, components, and OpenAPI: `pip install quartish[typed]`.

    from typing import Annotated
    from quartish.typed import Query

    @app.get("/search")
    async def search(q: str, page: Annotated[int, Query(ge=1)] = 1) -> list[Found]: ...

`docs/typed.md` has all of it. Which views are typed, and why no other, says `quartish.typed.views`.
"""

from __future__ import annotations

from .answers import WrongReturn as WrongReturn
from .faults import Fault as Fault
from .faults import Problem as Problem
from .faults import RequestValidationError as RequestValidationError
from .faults import UndecodableBody as UndecodableBody
from .faults import WrongMediaType as WrongMediaType
from .marks import Body as Body
from .marks import Cookie as Cookie
from .marks import Depends as Depends
from .marks import File as File
from .marks import Form as Form
from .marks import Header as Header
from .marks import Path as Path
from .marks import Query as Query
from .marks import Status as Status
from .marks import typed as typed
from .plans import Unresolvable as Unresolvable
from .views import Typed as Typed
