"""Typed views, components, and OpenAPI: `pip install quartish[typed]`.

    from typing import Annotated
    from quartish.typed import Query

    @app.get("/search")
    async def search(q: str, page: Annotated[int, Query(ge=1)] = 1) -> list[Found]: ...

`docs/typed.md` describes all of it, `quartish.typed.views` which views are typed.
"""

from __future__ import annotations

from .faults import Fault
from .faults import Problem
from .faults import RequestValidationError
from .faults import UndecodableBody
from .faults import WrongMediaType
from .faults import WrongMessage
from .marks import Body
from .marks import Cookie
from .marks import Depends
from .marks import File
from .marks import Form
from .marks import Header
from .marks import Message
from .marks import Path
from .marks import Query
from .marks import Status
from .marks import typed
from .messages import Messages
from .plans import Unresolvable
from .returns import WrongReturn
from .views import Typed

__all__ = [
    "Body",
    "Cookie",
    "Depends",
    "Fault",
    "File",
    "Form",
    "Header",
    "Message",
    "Messages",
    "Path",
    "Problem",
    "Query",
    "RequestValidationError",
    "Status",
    "Typed",
    "UndecodableBody",
    "Unresolvable",
    "WrongMediaType",
    "WrongMessage",
    "WrongReturn",
    "typed",
]
