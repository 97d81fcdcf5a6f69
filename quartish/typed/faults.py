"""What is wrong with a request: single faults, and the errors that list them.

The errors are HTTP exceptions, so that the app's error handlers get them. Without a handler the
response is `application/problem+json`.
"""

from __future__ import annotations

import re
import typing as t

import msgspec
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.exceptions import UnsupportedMediaType

from ..wrappers.websocket_messages import LONGEST_REASON

PROBLEM = "application/problem+json"
#: How many faults of a request are listed.
MOST = 100
REQUIRED = "a value"
#: What a fault has at most: characters of a name that a client made up, and of a text; steps of a
#: path.
LONGEST_NAME = 64
LONGEST_WORDS = 1000
LONGEST_PATH = 32

_MESSAGE = re.compile(r"^(?:Expected (?P<expected>.*?))(?:, got .*)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<field>.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[(\.\.\.)\]")


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fault: the part of the request, the path in it, what was expected, and a sentence."""

    where: str
    path: list[str | int]
    expected: str
    detail: str


class Problem(HTTPException):
    """An error whose response is `application/problem+json`, with its faults under `errors`.

    Source:
        RFC 9457.
    """

    def __init__(self, description: str | None = None, errors: t.Sequence[Fault] = ()) -> None:
        super().__init__(description)
        #: The faults.
        self.errors: list[Fault] = [_bounded(fault) for fault in errors]

    def get_body(self, environ: t.Any = None, scope: t.Any = None) -> str:
        told: dict[str, t.Any] = {"title": self.name, "status": self.code}
        if self.description:
            told["detail"] = self.description
        if self.errors:
            told["errors"] = self.errors
        return msgspec.json.encode(told).decode()

    def get_headers(self, environ: t.Any = None, scope: t.Any = None) -> list[tuple[str, str]]:
        return [("Content-Type", PROBLEM)]


class RequestValidationError(Problem, UnprocessableEntity):
    """The request could be decoded, but it is not what the view takes (422)."""


class WrongMessage(RequestValidationError):
    """A websocket message is not what the view takes.

    There is no response to it: an error handler of the app gets it, and the websocket is closed
    with `reason`, unless `Message(keep_open=True)` says otherwise.

    Args:
        description: What is wrong, in words.
        errors: Each fault.
        close_code: 1007 for what is not of its type, 1003 for text where bytes are taken.

    Source:
        RFC 6455, section 7.4.1.
    """

    def __init__(
        self, description: str, errors: t.Sequence[Fault] = (), close_code: int = 1007
    ) -> None:
        super().__init__(description, errors)
        #: 1007: it is not of its type. 1003: it is text where bytes are taken, or the other way.
        self.close_code = close_code

    @property
    def reason(self) -> str:
        """The reason in the close frame."""
        said = self.description or ""
        if self.errors:
            first = self.errors[0]
            place = ".".join(map(str, first.path))
            said = f"{place}: {first.detail}" if place else first.detail
        return said.encode()[:LONGEST_REASON].decode(errors="ignore")


class UndecodableBody(Problem, BadRequest):
    """The body is not of the media type that its Content-Type says (400)."""


class WrongMediaType(Problem, UnsupportedMediaType):
    """The body is of a media type that the view does not take (415)."""


def _bounded(fault: Fault) -> Fault:
    """Return a fault in which long names, texts and paths of a client's are cut."""
    names = [_cut(step, LONGEST_NAME) if isinstance(step, str) else step for step in fault.path]
    if len(names) > LONGEST_PATH:
        half = LONGEST_PATH // 2
        names[half:-half] = ["..."]
    expected, detail = _cut(fault.expected, LONGEST_WORDS), _cut(fault.detail, LONGEST_WORDS)
    bounded = Fault(fault.where, names, expected, detail)
    return fault if bounded == fault else bounded


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def missing(where: str, path: list[str | int]) -> Fault:
    """Return the fault of a required value that is missing."""
    return Fault(where, path, REQUIRED, "It is required.")


def fault_of(error: Exception, where: str, path: list[str | int]) -> Fault:
    """Return the fault that an error of msgspec describes, in the value at `path`."""
    said, _, place = str(error).partition(" - at `")
    path = [*path, *_steps(place.rstrip("`").rpartition("$")[2])]
    if match := _MISSING.match(said):
        return missing(where, [*path, match["field"]])
    match = _MESSAGE.match(said)
    expected = match["expected"].replace("`", "") if match else said
    return Fault(where, path, expected, said.rstrip(".") + ".")


def _steps(place: str) -> t.Iterator[str | int]:
    for name, index, any_item in _STEP.findall(place):
        yield int(index) if index else any_item or name


def faults_of_model(error: t.Any, where: str, path: list[str | int]) -> list[Fault]:
    """Return the faults that an error of pydantic describes."""
    found = []
    for told in error.errors(include_url=False, include_context=False, include_input=False)[:MOST]:
        place = [*path, *(one if isinstance(one, int) else str(one) for one in told["loc"])]
        if told["type"] == "missing":
            found.append(missing(where, place))
        else:
            said = told["msg"]
            expected = said.removeprefix("Input should be ").removeprefix("a valid ")
            found.append(Fault(where, place, expected, said.rstrip(".") + "."))
    return found


def refused(faults: list[Fault]) -> RequestValidationError:
    """Return the error that lists faults."""
    return RequestValidationError(words_of(faults), faults)


def words_of(faults: list[Fault]) -> str:
    """Return a sentence that says how many faults there are."""
    words = "One thing is" if len(faults) == 1 else f"{len(faults)} things are"
    return f"{words} not what this takes."
