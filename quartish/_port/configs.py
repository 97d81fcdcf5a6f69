"""Files that say how a project is installed and started: what is changed in them, and what is
suggested.

The rule: names of distributions and of the `flask` command are changed. Command lines of servers
are only suggested, as a person has to decide how many workers there are.
"""

from __future__ import annotations

import ast
import re
import tomllib
import typing as t

from .records import Finding

_ONE = r"(?:===?|[<>~!]=?)\s*[^;#\s'\",)]+"
_VERSION = rf"(?:\s*\(?\s*{_ONE}(?:\s*,\s*{_ONE})*\)?)?"
_NAME = r"(?:[Ff]lask|[Qq]uart|FLASK)(?:\s*\[[\w ,.-]*\])?"
_REQUIREMENT = re.compile(rf"(?P<name>{_NAME})(?P<version>{_VERSION})(?P<rest>\s*(?:;.*)?)")
_LINE = re.compile(
    rf"^(?P<before>\s*(?:-\s+|[\w{{}},!.-]+:\s+)?['\"]?){_NAME}{_VERSION}"
    r"(?P<after>['\"]?\s*(?:;[^#\n]*)?(?:\s+#.*)?\s*)$"
)
_CONDA = re.compile(r"^(\s*-\s+)(?:flask|quart)(=[\w.*=]+)?(\s*)$", re.IGNORECASE)
_KEY = re.compile(r"^(\s*)['\"]?(?:[Ff]lask|[Qq]uart)['\"]?(\s*=\s*).+?(\s*)$")
_COMMAND = re.compile(
    r"(?<![\w./$@-])(?:flask|quart)(?=\s+(?:run|shell|routes|db|--app|--debug|--env-file|-A|-e)\b)"
    r"|(?<=-m )(?:flask|quart)(?=\s|$)"
)
_LIST_COMMAND = re.compile(r"(?<=[\[\s,])(['\"])(?:flask|quart)\1(?=\s*,\s*['\"])")
_LIST_MODULE = re.compile(r"(?<=['\"]-m['\"], )(['\"])(?:flask|quart)\1")
_INSTALL = re.compile(r"\b(?:pip3?|uv|pipx|poetry|pdm|conda)\s+(?:pip\s+)?(?:install|add)\b")
_INSTALLED = re.compile(rf"(?<=\s)(?P<quote>['\"]?){_NAME}{_VERSION}(?P=quote)(?=\s|$)")
_SERVER = re.compile(
    r"(?<![\w/.-])(gunicorn|uwsgi|waitress-serve|chaussette|mod_wsgi-express)"
    r"(?:['\"]\s*,\s*['\"]|\s+)\S"
)
_APP = re.compile(r"(?<![\w./:-])([A-Za-z_][\w.]*:[A-Za-z_]\w*(?:\(\))?)(?=['\"\s,\]]|$)")
_BIND = re.compile(r"(?:-b|--bind|--http|--http-socket|--listen)[ =]['\"]?([^\s'\",\]]+)")
_WORKERS = re.compile(r"(?:-w|--workers|--processes)[ =]?['\"]?(\d+|\$\{?\w+\}?)")
_TOML_LISTS = (("project", "dependencies"), ("build-system", "requires"))


def port_config(file: str, text: str) -> tuple[str, list[Finding]]:
    """Return the file's text with what is changed, and what a person should look at."""
    name = file.rpartition("/")[2].lower()
    if name == "pyproject.toml":
        new = _toml(text)
    elif name == "setup.py":
        new = _setup(text)
    elif name == "pipfile":
        new = _each(text, lambda line: _KEY.sub(r'\1quartish\2"*"\3', line))
    elif name.startswith("environment."):
        new = _each(text, lambda line: _CONDA.sub(r"\1quartish\3", _LINE.sub(_named, line)))
    elif name.endswith((".txt", ".in")):
        new = text if "--hash" in text else _requirements(text)
    elif name in ("setup.cfg", "tox.ini"):
        new = _commands(_requirements(text))
    elif name.endswith(".py"):
        new = text
    else:
        new = _commands(text)
    return new, list(_look(file, text))


def _each(text: str, change: t.Callable[[str], str]) -> str:
    return "".join(change(line) for line in text.splitlines(keepends=True))


def _named(match: re.Match[str]) -> str:
    return f"{match['before']}quartish{match['after']}"


def _requirements(text: str) -> str:
    there = re.search(r"(?mi)^\s*quartish\b", text)
    return text if there else _each(text, lambda line: _LINE.sub(_named, line))


def _toml(text: str) -> str:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return text
    lists = [tables.get(table, {}).get(key, []) for table, key in _TOML_LISTS]
    lists += tables.get("project", {}).get("optional-dependencies", {}).values()
    lists += tables.get("dependency-groups", {}).values()
    tool = tables.get("tool", {})
    lists += [tool.get("uv", {}).get("dev-dependencies", [])]
    lists += tool.get("pdm", {}).get("dev-dependencies", {}).values()
    for requirement in {item for each in lists for item in each if isinstance(item, str)}:
        match = _REQUIREMENT.fullmatch(requirement)
        if match is None:
            continue
        for quote in "\"'":
            old = f"{quote}{requirement}{quote}"
            text = text.replace(old, f"{quote}quartish{match['rest']}{quote}")
    lines, section = [], ""
    for line in text.splitlines(keepends=True):
        header = re.match(r"\s*\[([^\[\]]+)\]", line)
        section = header[1] if header else section
        if re.fullmatch(r"tool\.poetry\.(.+\.)?(dev-)?dependencies", section):
            line = _KEY.sub(r'\1quartish\2"*"\3', line)
        lines.append(line)
    return "".join(lines)


def _setup(text: str) -> str:
    """Change the requirements in a `setup.py`: strings that are one from end to end."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return text
    lines = text.splitlines(keepends=True)
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _is_requirement(tree, node)
    ]
    for node in sorted(found, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        value = str(node.value)
        match = _REQUIREMENT.fullmatch(value)
        if match is None or node.end_lineno != node.lineno:
            continue
        line = lines[node.lineno - 1].encode()
        start, end = node.col_offset, node.end_col_offset or 0
        literal = line[start:end].decode()
        changed = literal.replace(value, f"quartish{match['rest']}").encode()
        lines[node.lineno - 1] = (line[:start] + changed + line[end:]).decode()
    return "".join(lines)


def _is_requirement(tree: ast.Module, node: ast.Constant) -> bool:
    return any(
        isinstance(parent, ast.List | ast.Tuple) and node in parent.elts
        for parent in ast.walk(tree)
    )


def _commands(text: str) -> str:
    def change(line: str) -> str:
        if line.lstrip().startswith("#"):
            return line
        line = _COMMAND.sub("quartish", line)
        line = _LIST_COMMAND.sub(r"\1quartish\1", _LIST_MODULE.sub(r"\1quartish\1", line))
        if _INSTALL.search(line):
            line = _INSTALLED.sub(r"\g<quote>quartish\g<quote>", line)
        return line

    return _each(text, change)


def _look(file: str, text: str) -> t.Iterator[Finding]:
    if file.endswith(".py"):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("#"):
            for rule, says, cure in _look_at(file, line):
                yield Finding(file, number, rule, says, cure)
    if "--hash" in text and re.search(rf"(?m)^{_NAME}", text):
        yield Finding(file, 1, "locked", "its requirements are locked by hashes", "lock them anew")


def _look_at(file: str, line: str) -> t.Iterator[tuple[str, str, str]]:
    works = "is a WSGI server: it works, without websockets"
    if "FLASK_ENV" in line:
        cure = "`FLASK_DEBUG=1`, or `quartish run --debug`"
        yield "flask-env", "`FLASK_ENV` was removed in Flask 2.3", cure
    server = _SERVER.search(line)
    if server and not _INSTALL.search(line):
        yield "server", f"`{server[1]}` {works}", f"`{_hypercorn(line)}`"
    if re.search(r"(-k|--worker-class)[ =]['\"]?(gevent|eventlet)", line):
        says = "green threads replace those of `def` views"
        yield "green-threads", says, "take the worker class out"
    ini = re.match(r"\s*(?:module|wsgi-file|wsgi)\s*=\s*(\S+)", line)
    if ini and "uwsgi" in file.lower():
        yield "server", f"uWSGI {works}", f"`hypercorn {ini[1]}`"
    if "flask.commands" in line:
        says = "commands of `flask.commands` are found where `flask` means quartish"
        yield "plugin", says, "name the group `quartish.commands`"


def _hypercorn(line: str) -> str:
    """Return the command for Hypercorn that does what another server's does."""
    words = ["hypercorn"]
    bind, workers, app = _BIND.search(line), _WORKERS.search(line), _APP.search(line)
    # A JSON list of arguments: ["gunicorn", "-b", ":80"]
    flat = re.sub(r"['\"]\s*,\s*['\"]", " ", line)
    bind, workers = bind or _BIND.search(flat), workers or _WORKERS.search(flat)
    if bind:
        words += ["--bind", bind[1]]
    if workers:
        words += ["--workers", workers[1]]
    words.append(app[1] if app else "module:app")
    return " ".join(words)
