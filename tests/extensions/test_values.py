"""What clients send, read by typed views and by FastAPI's: the status, and the value.

Every place in a request, with every type and every text of `values_of.py`: some 40,000 cases.
Whatever differs does so for a reason that stands in the table here.
"""

from __future__ import annotations

import json
import re
import subprocess
import typing as t

import pytest

from ._environment import CHECKOUT
from ._environment import clean_environ
from ._environment import HERE
from ._environment import make

pytestmark = [pytest.mark.slow, pytest.mark.extensions]

#: What differs, and why: the reason, the cases that it is about, and the statuses there of
#: quartish and of FastAPI. The first that fits is the one.
OK, BAD, ERROR = (200,), (422,), (500,)
EITHER = (200, 422)
TYPED = "(path|query|header|cookie|form)"
DIFFERENT: list[tuple[str, str, tuple[int, ...], tuple[int, ...]]] = [
    (
        "an error of FastAPI's own: it cannot write its answer",
        "^(json|kind|model) ",
        (200, 400, 415, 422),
        ERROR,
    ),
    ("Flask takes the first of a name, FastAPI the last", r"\?x=[1a]&x=", EITHER, EITHER),
    ("what is no JSON is a 400, as every undecodable body", "^(json|model|kind) ", (400,), BAD),
    ("a body of a type that is not taken is a 415", "^kind ", (415,), BAD),
    ("a form is a body, too, for a type with fields", "^kind 'application/x-www-form", OK, BAD),
    (
        "JSON is UTF-8 text: a surrogate alone is none (RFC 8259, section 8.1)",
        r"^json .*\\ud800",
        (400,),
        OK,
    ),
    (
        "`str` as Body() is the body as it comes",
        "^json (str|short|pattern)( by pydantic)?: ",
        (200, 422),
        (200, 400, 422),
    ),
    ("a list of cookies has one", "^cookie (list|set)", OK, BAD),
    ("a list has no default for one that is empty", "^cookie list by default", BAD, OK),
    (
        "an empty field of a form is text, where text is taken",
        r"^form (str|union)( by pydantic)?(: ''|\?x)$",
        OK,
        BAD,
    ),
    (
        "JSON has no NaN and no infinity (RFC 8259, section 6)",
        r"^json (float|gt lt): (-?Infinity|NaN|1e999)$",
        (400,),
        OK,
    ),
    (
        "of JSON, pydantic takes no bool for a duration",
        "^json timedelta by pydantic: (true|false)$",
        BAD,
        OK,
    ),
    (
        "a decimal keeps its digits; FastAPI reads a float first",
        "^json decimal( by pydantic)?: ",
        OK,
        OK,
    ),
    (
        "JSON's own types are taken at their word: text is no number, a number no date",
        r"^json [a-z ]+(?<!by pydantic): ",
        BAD,
        OK,
    ),
    ("1e3 is a number without a fraction", f"^{TYPED} [a-z ]+: '1[eE]3'$", OK, BAD),
    (
        "text may say null where a type has None, and no text",
        f"^{TYPED} (optional|no default)[a-z ]*: 'null'$",
        OK,
        BAD,
    ),
    ("a number is a duration in seconds", f"^{TYPED} timedelta(: '| twice)", OK, BAD),
    ("a literal of a number is one in text, too", f"^{TYPED} int literal(: '| twice)", OK, BAD),
    ("1_000 is Python's, and no number elsewhere", f"^{TYPED} [a-z ]+: '1_000'$", BAD, OK),
    (
        "a float is finite unless it says inf",
        rf"^{TYPED} float: '(1e999|9{{99}}' (400|5000)$|1e999')",
        BAD,
        OK,
    ),
    ("5. is no number of JSON", rf"^{TYPED} [a-z ]+: '5\.'$", BAD, OK),
    ("1.0 is no member of an enum of integers", f"^{TYPED} int enum: '1.0'$", BAD, OK),
    ("a UUID is written as RFC 9562 has it", f"^{TYPED} uuid: '(urn:uuid:|{{)", BAD, OK),
    (
        "a date is no number, and no time of a day",
        f"^{TYPED} (date|union of dates): '(0|2024-02-29T00:00:00)'$",
        BAD,
        OK,
    ),
    ("a date that may be a number is one", f"^{TYPED} union of dates: '0'$", OK, OK),
    (
        "a datetime has a time, and a number of it is of seconds",
        rf"^{TYPED} datetime: '(2024-02-29|1700000000000|\+1|01|\.5)'$",
        BAD,
        OK,
    ),
    (
        "parts of a microsecond are rounded",
        f"^{TYPED} datetime: '2024-02-29T12:00:00.123456789'$",
        OK,
        OK,
    ),
    (
        "a duration is written as ISO 8601 has it, and a year has no length",
        f"^{TYPED} timedelta: '",
        BAD,
        OK,
    ),
]


def read_by(framework: str) -> dict[str, t.Any]:
    done = subprocess.run(
        [make("typed", ["typed-requirements.txt"]), HERE / "values_of.py", framework],
        env={**clean_environ(), "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, t.Any] = json.loads(done.stdout)
    return found


def test_values_are_fastapis_but_for_the_table() -> None:
    ours, theirs = read_by("quartish"), read_by("fastapi")
    assert ours.keys() == theirs.keys()
    assert len(ours) > 40_000
    assert not [case for case, (status, _) in ours.items() if status >= 500]
    different = [case for case in ours if ours[case] != theirs[case]]
    untold, told = [], set()
    for case in different:
        for reason, pattern, our_statuses, their_statuses in DIFFERENT:
            statuses = ours[case][0] in our_statuses and theirs[case][0] in their_statuses
            if statuses and re.search(pattern, case, re.DOTALL):
                told.add(reason)
                break
        else:
            untold.append((case, ours[case], theirs[case]))
    assert untold == []
    assert [reason for reason, *_ in DIFFERENT if reason not in told] == []
