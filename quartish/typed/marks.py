"""Marks in annotations, and the decorator `typed`: they say what a view takes and returns.

A mark stands in `typing.Annotated`, so that type checkers and editors see the type of the value:
`page: Annotated[int, Query(ge=1)] = 1`.
"""

from __future__ import annotations

import typing as t

P = t.ParamSpec("P")
R = t.TypeVar("R", covariant=True)


class Mark:
    """The base of all marks. A view that uses one is typed."""


class Parameter(Mark):
    """A value of the request: which part has it, under which name, and its constraints."""

    where: t.ClassVar[str] = ""

    def __init__(
        self,
        *,
        alias: str | None = None,
        title: str | None = None,
        description: str | None = None,
        examples: list[t.Any] | None = None,
        deprecated: bool = False,
        gt: float | None = None,
        ge: float | None = None,
        lt: float | None = None,
        le: float | None = None,
        multiple_of: float | None = None,
        pattern: str | None = None,
        min_length: int | None = None,
        max_length: int | None = None,
    ) -> None:
        """Set the name, the constraints, and what the document says.

        Args:
            alias: Its name in the request; by default that of the parameter.
            title: A title, for the document.
            description: What it is for, for the document.
            examples: Values that it may have, for the document.
            deprecated: Whether clients should no longer send it.
            gt: It is greater than this.
            ge: It is this or greater.
            lt: It is less than this.
            le: It is this or less.
            multiple_of: It is a multiple of this.
            pattern: A regular expression that is found in it.
            min_length: Its length is this or more.
            max_length: Its length is this or less.
        """
        self.alias = alias
        self.deprecated = deprecated
        self.description = description
        told = {
            **dict(title=title, description=description, examples=examples),
            **dict(gt=gt, ge=ge, lt=lt, le=le, multiple_of=multiple_of),
            **dict(pattern=pattern, min_length=min_length, max_length=max_length),
        }
        #: The constraints that were given, by msgspec's names.
        self.constraints: dict[str, t.Any] = {k: v for k, v in told.items() if v is not None}

    def name_of(self, parameter: str) -> str:
        """Return the name in the request of a parameter."""
        return self.alias or parameter

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Path(Parameter):
    """A variable of the URL."""

    where = "path"


class Query(Parameter):
    """A value of the query string; a list takes all of that name, a struct one for each field."""

    where = "query"


class Header(Parameter):
    """A header; `_` in the parameter's name stands for `-`."""

    where = "header"

    def name_of(self, parameter: str) -> str:
        return self.alias or parameter.replace("_", "-")


class Cookie(Parameter):
    """A cookie."""

    where = "cookie"


class Form(Parameter):
    """A field of a form, urlencoded or multipart; a struct takes one for each field."""

    where = "form"


class File(Parameter):
    """An uploaded file: a `FileStorage`, or a list of them."""

    where = "file"


class Body(Parameter):
    """The whole body, decoded by its Content-Type: JSON, MessagePack, a form, multipart.

    Args:
        media_type: The only media type that is taken.
        title: A title, for the document.
        description: What it is for, for the document.
        examples: Bodies that it may be, for the document.
    """

    where = "body"

    def __init__(
        self,
        media_type: str | None = None,
        *,
        title: str | None = None,
        description: str | None = None,
        examples: list[t.Any] | None = None,
    ) -> None:
        super().__init__(title=title, description=description, examples=examples)
        self.media_type = media_type


class Message(Parameter):
    """A message of the websocket: the view is called for each, and what it returns is sent.

    Args:
        keep_open: Whether the websocket stays open after a wrong message: the client gets a problem
            document. Otherwise it is closed, with 1007 and the reason.
    """

    where = "message"

    def __init__(self, *, keep_open: bool = False) -> None:
        super().__init__()
        self.keep_open = keep_open


class Given:
    """The base of types whose parameters need no mark. A view that has one is typed."""


class Depends(Mark):
    """A component: `Annotated[User, Depends(current_user)]`.

    Without `dependency` it is the one that the app provides for the type.

    Args:
        dependency: The factory, as `app.provide` takes one.
        use_cache: Whether all that depend on it in one request share one.
    """

    def __init__(
        self, dependency: t.Callable[..., t.Any] | None = None, *, use_cache: bool = True
    ) -> None:
        self.dependency = dependency
        self.use_cache = use_cache

    def __repr__(self) -> str:
        return f"Depends({getattr(self.dependency, '__name__', '')})"


class Status(Mark):
    """The status of what a view returns: `-> Annotated[Order, Status(201)]`."""

    def __init__(self, code: int, description: str | None = None) -> None:
        self.code = code
        self.description = description


class Operation(t.NamedTuple):
    """The arguments of `typed`."""

    status_code: int | None = None
    summary: str | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None
    deprecated: bool = False
    operation_id: str | None = None
    responses: t.Mapping[int, t.Any] = {}
    security: tuple[str, ...] | None = None
    include_in_schema: bool = True


class TypedFunction(t.Protocol[P, R]):
    """The function that `typed` decorated, as type checkers see it."""

    @property
    def typed_operation(self) -> Operation:
        """The arguments of `typed`."""
        ...

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...


class TypedDecorator(t.Protocol):
    """The decorator that `typed` returns if it is called with options."""

    def __call__(self, view: t.Callable[P, R], /) -> TypedFunction[P, R]:
        """Decorate `view`."""
        ...


@t.overload
def typed(view: t.Callable[P, R], /) -> TypedFunction[P, R]: ...
@t.overload
def typed(
    *,
    status_code: int | None = None,
    summary: str | None = None,
    description: str | None = None,
    tags: t.Iterable[str] | None = None,
    deprecated: bool = False,
    operation_id: str | None = None,
    responses: t.Mapping[int, t.Any] | None = None,
    security: t.Iterable[str] | None = None,
    include_in_schema: bool = True,
) -> TypedDecorator: ...
def typed(
    view: t.Callable[..., t.Any] | None = None,
    /,
    *,
    status_code: int | None = None,
    summary: str | None = None,
    description: str | None = None,
    tags: t.Iterable[str] | None = None,
    deprecated: bool = False,
    operation_id: str | None = None,
    responses: t.Mapping[int, t.Any] | None = None,
    security: t.Iterable[str] | None = None,
    include_in_schema: bool = True,
) -> t.Any:
    """Make `view` a typed view, whatever its annotations are; it stands below the route.

    Args:
        status_code: The status of what it returns, 200 by default.
        summary: A few words, for the document; by default the docstring's first line.
        description: A longer text, for the document; by default the rest of the docstring.
        tags: Groups in the document; by default the view's blueprint.
        deprecated: Whether clients should no longer use it.
        operation_id: Its name in the document; by default the endpoint's.
        responses: Other responses that it may have: {status: type or description}.
        security: Names of the document's security schemes, all of which are required.
        include_in_schema: Whether it is in the document.
    """
    operation = Operation(
        status_code=status_code,
        summary=summary,
        description=description,
        tags=None if tags is None else tuple(tags),
        deprecated=deprecated,
        operation_id=operation_id,
        responses=responses or {},
        security=None if security is None else tuple(security),
        include_in_schema=include_in_schema,
    )

    def decorator(func: t.Any) -> t.Any:
        func.typed_operation = operation
        return func

    return decorator if view is None else decorator(view)


def operation_of(view: t.Any) -> Operation | None:
    """Return the arguments of `typed` for a view; None: it is not decorated."""
    return getattr(view, "typed_operation", None)
