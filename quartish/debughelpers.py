"""Errors and explanations for developers: in debug mode, and by `EXPLAIN_TEMPLATE_LOADING`.

Nothing here is reached in production, so clarity wins over speed. App and blueprints live
above this room and are told apart by what they can do.
"""

from __future__ import annotations

import typing as t

from werkzeug.exceptions import MethodNotAllowed
from werkzeug.exceptions import NotFound
from werkzeug.routing import RequestRedirect

from ._current import find_context
from ._mistakes.names import allowed
from ._mistakes.names import nearest
from .typing import AppLike

if t.TYPE_CHECKING:
    from jinja2 import BaseLoader

    from .typing import TemplateSource

# What a Jinja loader's `get_source` found: source, file name, and whether it is fresh.
Found = tuple[str, str | None, t.Callable[[], bool] | None]


class UnexpectedUnicodeError(AssertionError, UnicodeError):
    """Text or bytes turned up where the other was expected."""


class DebugFilesKeyError(KeyError, AssertionError):
    """A file was asked of a form that was sent without `enctype="multipart/form-data"`."""

    def __init__(self, request: t.Any, key: str) -> None:
        self.msg: str = (
            f"You tried to access the file {key!r} in request.files, but it is not there. The"
            f" request has the mimetype {request.mimetype!r} instead of 'multipart/form-data',"
            " which means that no file contents were transmitted. To fix this, give your form"
            ' the attribute enctype="multipart/form-data".'
        )
        if names := request.form.getlist(key):
            self.msg += (
                "\n\nThe browser instead transmitted some file names. This was submitted: "
                + ", ".join(map(repr, names))
            )
        super().__init__(self.msg)

    def __str__(self) -> str:
        return self.msg  # KeyError's own would show its repr


class FormDataRoutingRedirect(AssertionError):
    """A routing redirect, neither 307 nor 308, would make the browser drop method and body."""

    def __init__(self, request: t.Any) -> None:
        exc = request.routing_exception
        assert isinstance(exc, RequestRedirect)
        lines = [
            f"A request was sent to '{request.url}', but routing issued a redirect to the"
            f" canonical URL '{exc.new_url}'."
        ]
        if f"{request.base_url}/" == exc.new_url.partition("?")[0]:
            lines.append(
                "The URL was defined with a trailing slash; a request without one is redirected"
                " to it."
            )
        lines.append(
            "Send requests to the canonical URL, or use 307 or 308 for routing redirects."
            " Otherwise browsers drop the form data.\n\n"
            "This exception is only raised in debug mode."
        )
        super().__init__(" ".join(lines))


def explain_miss(app: AppLike, request: t.Any) -> None:
    """Add to a 404 the routes that are nearest to its path, and to a 405 the methods of those that
    matched: in the page and in the log."""
    error = request.routing_exception
    if type(error) is NotFound:
        says = nearest(app, request.path)
    elif type(error) is MethodNotAllowed:
        says = allowed(app, request.path, request.method, error.valid_methods or ())
    else:
        return
    if says is not None and not (error.description or "").endswith(says):
        error.description = f"{error.description}\n{says}"
        app.logger.info(
            "%s for [%s %s]. %s", error.code, request.method, request.quartish_log_path, says
        )


def attach_enctype_error_multidict(request: t.Any) -> None:
    """Make `request.files[key]` raise DebugFilesKeyError where the form has `key` as text."""
    files_class = type(request.files)

    class DebugFiles(files_class):  # type: ignore[misc, valid-type]
        def __getitem__(self, key: str) -> t.Any:
            try:
                return super().__getitem__(key)
            except KeyError as exc:
                if key not in request.form:
                    raise
                raise DebugFilesKeyError(request, key).with_traceback(exc.__traceback__) from None

    DebugFiles.__name__ = files_class.__name__
    DebugFiles.__module__ = files_class.__module__
    request.files.__class__ = DebugFiles


def explain_template_loading_attempts(
    app: TemplateSource,
    template: str,
    attempts: t.Sequence[tuple[BaseLoader, t.Any, Found | None]],
) -> None:
    """Log where a template was looked for, and what looks wrong about the outcome.

    An attempt is the loader, the app or blueprint it belongs to, and what it found.
    """
    lines = [f"Locating template {template!r}:"]
    for number, (loader, owner, found) in enumerate(attempts, 1):
        lines.append(f"{number:5}: trying loader of {_describe_owner(owner)}")
        lines.extend(f"       {line}" for line in _describe_loader(loader))
        outcome = "no match" if found is None else f"found ({found[1] or '<string>'!r})"
        lines.append(f"       -> {outcome}")

    matches = sum(found is not None for _, _, found in attempts)
    if matches == 0:
        lines.append("Error: the template could not be found.")
    elif matches > 1:
        lines.append("Warning: multiple loaders returned a match for the template.")
    if matches != 1 and (blueprint := _current_blueprint()) is not None:
        lines += [
            "  The template was looked up from an endpoint that belongs to the blueprint"
            f" {blueprint!r}.",
            "  Maybe you did not place a template in the right folder?",
            "  See https://flask.palletsprojects.com/blueprints/#templates",
        ]
    app.logger.info("\n".join(lines))


def _current_blueprint() -> str | None:
    ctx = find_context()
    if ctx is None or not (ctx.has_request or ctx.has_websocket):
        return None
    return t.cast("str | None", ctx.conn.blueprint)


def _describe_owner(owner: t.Any) -> str:
    if hasattr(owner, "create_global_jinja_loader"):
        return f"application {owner.import_name!r}"
    if hasattr(owner, "make_setup_state"):
        return f"blueprint {owner.name!r} ({owner.import_name})"
    return repr(owner)


def _describe_loader(loader: BaseLoader) -> t.Iterator[str]:
    yield f"class: {type(loader).__module__}.{type(loader).__name__}"
    for key, value in sorted(vars(loader).items()):
        if key.startswith("_"):
            continue
        if isinstance(value, (str, int, float, bool)):
            yield f"{key}: {value!r}"
        elif isinstance(value, (tuple, list)) and all(isinstance(item, str) for item in value):
            yield f"{key}:"
            yield from (f"  - {item}" for item in value)
