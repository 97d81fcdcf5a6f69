"""Run the suites of extensions and applications on Flask or Quart, and on quartish.

    python tests/extensions/suites.py [--write] [NAME | NAME=PATH ...]

The source distributions come from the package index into the cache of `_environment`. Where
one has no tests, PATH is a checkout of the project's repository, of the release below or near
it. Each suite runs unedited, in a copy for each side, on quartish through `as_flask` or
`as_quart`. Printed is what passed and failed; with `--write` the rows in docs/extensions.md are
written anew. The exit status is 1 where a test has another outcome on quartish.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import typing as t
import xml.etree.ElementTree as ET
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from _environment import CACHE
from _environment import CHECKOUT
from _environment import clean_environ
from _environment import HERE
from _environment import make

PAGE = CHECKOUT / "docs" / "extensions.md"
TIMEOUT = 3600  # seconds for one run of one suite
Outcomes = dict[str, str]  # test -> passed, failed or skipped


@dataclass(frozen=True)
class Suite:
    """A suite: what is given to pytest, and a word on what is left out and why."""

    arguments: str = "tests"
    note: str = ""
    #: Whether its sides must not run at once: they would start a server on one port.
    alone: bool = False
    #: Its environment; see `ENVIRONMENTS`.
    place: str = "suites"
    #: Where its tests are, if the source distribution has none: owner and name on GitHub.
    checkout: str = ""
    #: The project, where it is not named as the suite is.
    project: str = ""

    @property
    def upstream(self) -> str:
        return "quart" if self.place == "quart" else "flask"


#: Name -> the files that say what is in it; releases are those of these files.
ENVIRONMENTS = {
    "suites": ("requirements.txt", "suites-requirements.txt"),
    "apps": ("apps-requirements.txt",),
    "more": ("more-requirements.txt",),
    "further": ("further-requirements.txt",),
    "others": ("others-requirements.txt",),
    "rest": ("rest-requirements.txt",),
    "quart": ("quart-requirements.txt",),
}
SUITES = {
    "apiflask": Suite(),
    "flask-admin": Suite(
        "flask_admin/tests/sqla flask_admin/tests/test_base.py flask_admin/tests/test_model.py"
        " flask_admin/tests/test_form_upload.py --ignore flask_admin/tests/sqla/test_postgres.py",
        "what needs neither a server nor a cloud",
    ),
    "flask-caching": Suite(note="without Memcached", alone=True),
    "flask-compress": Suite(),
    "flask-cors": Suite(),
    "flask-dance": Suite(),
    "flask-httpauth": Suite(),
    "flask-jwt-extended": Suite(),
    "flask-limiter": Suite("-o addopts= tests", "without servers in containers"),
    "flask-login": Suite(),
    "flask-marshmallow": Suite(),
    "flask-migrate": Suite(),
    "flask-restful": Suite(),
    "flask-restx": Suite(
        "tests --ignore tests/benchmarks --ignore tests/test_postman.py",
        "lacks files, its conftest among them",
    ),
    "flask-smorest": Suite(),
    "flask-socketio": Suite("test_socketio.py"),
    "flask-sqlalchemy": Suite(),
    "flask-talisman": Suite("flask_talisman"),
    "flask-wtf": Suite(),
    "opentelemetry-instrumentation-flask": Suite(),
    "pytest-flask": Suite(),
    "webargs": Suite("tests/test_flaskparser.py", "its Flask parser"),
    "authlib": Suite("tests/flask", "its Flask part", place="more", checkout="authlib/authlib"),
    "bootstrap-flask": Suite(place="more", checkout="helloflask/bootstrap-flask"),
    "connexion": Suite(place="more", checkout="spec-first/connexion"),
    "flask-classful": Suite(
        note="3 fail on Flask alone: a `def` around an `async def` method returns its coroutine,"
        " which Flask refuses and quartish awaits",
        place="more",
        checkout="pallets-eco/flask-classful",
    ),
    "flask-debugtoolbar": Suite(place="more", checkout="pallets-eco/flask-debugtoolbar"),
    "flask-executor": Suite(place="more", checkout="dchevell/flask-executor"),
    "flask-mailman": Suite(place="more", checkout="waynerv/flask-mailman"),
    "flask-minify": Suite(
        "tests/units.py tests/integration.py tests/integration_go.py",
        place="further",
        checkout="mrf345/flask_minify",
    ),
    "flask-openapi3": Suite(place="more"),
    "flask-pydantic": Suite(place="more", checkout="pallets-eco/flask-pydantic"),
    "flask-security": Suite(place="more"),
    "flask-testing": Suite(place="more"),
    "frozen-flask": Suite(place="more"),
    "sentry-sdk": Suite(
        "tests/integrations/flask",
        "its Flask part",
        place="more",
        checkout="getsentry/sentry-python",
    ),
    "strawberry-graphql": Suite(
        "tests/http -m flask",
        "its Flask part",
        place="more",
        checkout="strawberry-graphql/strawberry",
    ),
    "apifairy": Suite(place="others", checkout="miguelgrinberg/APIFairy"),
    "bugsnag": Suite(
        "-o addopts= tests/integrations/test_flask.py",
        "its Flask part",
        place="others",
        checkout="bugsnag/bugsnag-python",
    ),
    "flask-api": Suite("flask_api", place="others", checkout="flask-api/flask-api"),
    "flask-apispec": Suite(place="others", checkout="jmcarp/flask-apispec"),
    "flask-babel": Suite(checkout="python-babel/flask-babel"),
    "flask-mail": Suite(checkout="pallets-eco/flask-mail"),
    "flask-multipass": Suite(
        note="without LDAP", place="others", checkout="indico/flask-multipass"
    ),
    "flask-parameter-validation": Suite(
        "flask_parameter_validation/test",
        place="others",
        checkout="Ge0rg3/flask-parameter-validation",
    ),
    "flask-rebar": Suite("-p no:asyncio tests", place="others", checkout="plangrid/flask-rebar"),
    "flask-seasurf": Suite(
        "test_seasurf.py", place="others", checkout="maxcountryman/flask-seasurf"
    ),
    "prometheus-flask-exporter": Suite(alone=True, checkout="rycus86/prometheus_flask_exporter"),
    "spectree-flask": Suite(
        "tests/test_plugin_flask.py tests/test_plugin_flask_blueprint.py"
        " tests/test_plugin_flask_model_adapters.py tests/test_plugin_flask_view.py"
        " tests/flask_imports",
        "spectree's Flask part",
        place="others",
        checkout="0b01001001/spectree",
        project="spectree",
    ),
    "aws-xray-sdk": Suite(
        "tests/ext/flask tests/ext/flask_sqlalchemy",
        "its Flask part",
        place="rest",
        checkout="aws/aws-xray-sdk-python",
    ),
    "flask-alembic": Suite(place="rest", checkout="pallets-eco/flask-alembic"),
    "flask-imp": Suite(place="rest", checkout="CheeseCake87/flask-imp"),
    "flask-json": Suite(place="rest", checkout="skozlovf/flask-json"),
    "flask-oidc": Suite(place="rest", checkout="fedora-infra/flask-oidc"),
    "flask-reuploaded": Suite(place="rest", checkout="jugmac00/flask-reuploaded"),
    "bepasty": Suite("src/bepasty/tests", "application", place="apps"),
    "fava": Suite(note="application", place="apps", checkout="beancount/fava"),
    "flask-appbuilder": Suite(
        # Its database is one file that all tests share; it takes the longest of all.
        "tests/test_menu.py tests/test_hooks.py tests/test_mvc.py tests/test_security_signals.py"
        " tests/test_detached_user.py tests/test_custom_indexview.py tests/test_urltools.py"
        " tests/test_addon.py tests/test_json_support.py tests/security/test_mvc_security.py"
        " tests/security/test_rate_limiter.py tests/security/test_password_complexity.py",
        "its views and hooks, with SQLite",
        place="apps",
    ),
    "flask-appbuilder-api": Suite(
        "tests/test_api.py tests/test_security_api.py",
        "flask-appbuilder's API",
        place="apps",
        project="flask-appbuilder",
    ),
    "flask-appbuilder-login": Suite(
        "tests/security/test_auth_ldap.py tests/security/test_auth_oauth.py"
        " tests/security/test_base_security_manager.py tests/test_mvc_oauth.py"
        " tests/test_security_manager.py",
        "flask-appbuilder's logins",
        place="apps",
        project="flask-appbuilder",
    ),
    "flask-monitoringdashboard": Suite(note="application", place="further"),
    "functions-framework": Suite(
        note="application", place="apps", checkout="GoogleCloudPlatform/functions-framework-python"
    ),
    "httpbin": Suite(note="application", place="apps"),
    "ihatemoney": Suite("ihatemoney/tests", "application", place="apps"),
    "moto": Suite(
        "tests/test_core/test_server.py tests/test_core/test_moto_api.py"
        " tests/test_s3/test_server.py tests/test_sqs/test_server.py",
        "its server",
        alone=True,
        place="apps",
    ),
    "asfquart": Suite(
        "-o asyncio_mode=auto tests/auth.py tests/config.py tests/generics.py tests/session.py"
        " tests/token_file.py",
        "application framework",
        place="quart",
        checkout="apache/infrastructure-asfquart",
    ),
    "quart-auth": Suite(place="quart"),
    "quart-babel": Suite(place="quart", checkout="Quart-Addons/quart-babel"),
    "quart-cors": Suite(place="quart"),
    "quart-db": Suite(note="sqlite alone", place="quart"),
    "quart-flask-patch": Suite(place="quart", checkout="pgjones/quart-flask-patch"),
    "quart-rate-limiter": Suite(place="quart"),
    "quart-schema": Suite(place="quart"),
    "quart-tasks": Suite(place="quart"),
    "quart-uploads": Suite(
        "-o asyncio_mode=auto tests", place="quart", checkout="Quart-Addons/quart-uploads"
    ),
    "quart-wtforms": Suite(place="quart", checkout="Quart-Addons/quart-wtf"),
    "sentry-sdk-quart": Suite(
        "tests/integrations/quart",
        "sentry-sdk's Quart part; 1 fails on quartish: a command of `app.cli` has the app's"
        " context, and the app that the test's `create_app` should give it cannot be made",
        place="quart",
        checkout="getsentry/sentry-python",
        project="sentry-sdk",
    ),
    "spectree": Suite(
        "tests/test_plugin_quart.py tests/quart_imports -o asyncio_mode=auto",
        "its Quart part",
        place="quart",
        checkout="0b01001001/spectree",
    ),
}
#: Those that tests/extensions has an app for, and whose source distribution has no tests, or
#: not all that these import.
WITHOUT = [
    *("flask-bcrypt", "flask-principal", "flask-session", "whitenoise"),
]


def releases(place: str) -> dict[str, str]:
    """Return the pinned release of each project in an environment."""
    text = "".join((HERE / file).read_text("utf-8") for file in ENVIRONMENTS[place])
    return dict(re.findall(r"(?m)^([\w-]+)(?:\[[\w,-]+\])?==(\S+)$", text))


def unpack(name: str, release: str, side: str, checkout: Path | None) -> Path:
    """Return a fresh copy of the project's source distribution, or of its checkout."""
    home = CACHE / "suites" / side / name
    if not checkout:
        return unpack_release(SUITES[name].project or name, release, home)
    shutil.rmtree(home, ignore_errors=True)
    left_out = shutil.ignore_patterns(".git", "__pycache__", "node_modules")
    return shutil.copytree(checkout, home / checkout.name, symlinks=True, ignore=left_out)


def unpack_release(project: str, release: str, home: Path) -> Path:
    """Return a fresh copy, in an empty `home`, of what a project's release is made of."""
    folder = CACHE / "sdists" / f"{project}-{release}"
    if not folder.is_dir() or not any(folder.iterdir()):
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--dest", folder]
        subprocess.run([*command, "--no-binary", project, f"{project}=={release}"], check=True)  # type: ignore[list-item]
    [archive] = folder.iterdir()
    shutil.rmtree(home, ignore_errors=True)
    with tarfile.open(archive) as tar:
        tar.extractall(home, filter="data")
    [root] = home.iterdir()
    return root


def run(name: str, release: str, checkout: Path | None, side: str) -> Outcomes:
    """Run one suite on one side; its output goes to a log beside its report."""
    suite = SUITES[name]
    python = make(suite.place, ENVIRONMENTS[suite.place])
    root = unpack(name, release, side, checkout)
    report, log = (root.parent.with_suffix(ending) for ending in (".xml", ".log"))
    report.unlink(missing_ok=True)
    command: list[t.Any] = [python, "-m", "pytest", "-p", "no:randomly"]
    command += ["--continue-on-collection-errors", f"--junit-xml={report}"]
    command += ["-o", "faulthandler_timeout=60"]
    environ = clean_environ()
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # a test wants requests' own
        environ.pop(variable, None)
    path = [str(python.parent), environ["PATH"]]
    if side == "quartish":
        command += ["-p", f"quartish.as_{suite.upstream}"]
        environ["PYTHONPATH"] = str(stand_in(python, suite.upstream))
        path.insert(0, environ["PYTHONPATH"])
    environ["PATH"] = os.pathsep.join(path)
    with log.open("wb") as output:
        try:
            subprocess.run(
                [*command, *shlex.split(suite.arguments)],
                cwd=root,
                env=environ,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                timeout=TIMEOUT,
            )
        except subprocess.TimeoutExpired:
            output.write(f"\ntook more than {TIMEOUT} s\n".encode())
    return dict(outcomes(ET.parse(report).getroot())) if report.exists() else {}


def stand_in(python: Path, upstream: str) -> Path:
    """Return a folder with quartish in it, alone: the suites are packages named "tests" too;
    and with the `flask` or `quart` command that means quartish."""
    folder = CACHE / "import" / python.parent.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quartish").unlink(missing_ok=True)
    (folder / "quartish").symlink_to(CHECKOUT / "quartish")
    command = folder / upstream
    lines = [f"#!{python}", f"import quartish.as_{upstream}"]
    lines += [f"import {upstream}.cli", f"{upstream}.cli.main()"]
    command.write_text("\n".join(lines))
    command.chmod(0o755)
    return folder


def outcomes(report: ET.Element) -> t.Iterator[tuple[str, str]]:
    for case in report.iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "passed"
        test = re.sub(r" at 0x\w+", "", f"{case.get('classname')}::{case.get('name')}")
        yield test, "skipped" if "skipped" in kinds else outcome


def differences(upstream: Outcomes, quartish: Outcomes) -> list[str]:
    return [
        f"{test}: {upstream.get(test)} upstream, {quartish.get(test)} on quartish"
        for test in sorted(upstream.keys() | quartish.keys())
        if upstream.get(test) != quartish.get(test)
    ]


def row(name: str, release: str, upstream: Outcomes, quartish: Outcomes) -> str:
    cells = [name, release]
    for outcome in (upstream, quartish):
        counts = Counter(outcome.values())
        cells.append(f"{counts['passed']} / {counts['passed'] + counts['failed']}")
    apart = len(differences(upstream, quartish))
    cells += ["yes" if upstream and not apart else f"no: {apart}", SUITES[name].note]
    return "| " + " | ".join(cells) + " |"


def page(rows: dict[str, str]) -> str:
    """Return the page with these rows of its tables anew."""
    before, _, rest = PAGE.read_text("utf-8").partition("<!-- suites -->\n")
    old, _, after = rest.partition("<!-- /suites -->")
    kept = {line.split()[1]: line for line in old.splitlines() if line.startswith("| ")}
    rows = kept | rows
    lines = ["<!-- suites -->"]
    for upstream in ("flask", "quart"):
        lines += [
            f"| suite | release | passed on {upstream.title()} | passed on quartish | same | |",
            "| --- | --- | --- | --- | --- | --- |",
            *(rows[name] for name in SUITES if name in rows and SUITES[name].upstream == upstream),
            "",
        ]
    tested = ", ".join(f"{name} ({s.checkout})" for name, s in SUITES.items() if s.checkout)
    lines.append(f"By a checkout of the repository, as their tests are only there: {tested}.")
    versions = releases("suites")
    without = ", ".join(f"{name} {versions[name]}" for name in WITHOUT)
    lines += ["", f"Without tests that run in their source distributions: {without}."]
    return "\n".join([before + lines[0], *lines[1:], "<!-- /suites -->" + after])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/extensions.md")
    parser.add_argument("names", nargs="*", metavar="NAME|NAME=PATH")
    arguments = parser.parse_args()
    given = [name.partition("=") for name in arguments.names]
    paths = {name: Path(path).resolve() for name, _, path in given if path}
    names = [name for name, *_ in given] or [name for name in SUITES if not SUITES[name].checkout]
    for name in names:
        if name not in SUITES:
            parser.error(f"no suite is named {name}")
        if SUITES[name].checkout and name not in paths:
            parser.error(f"say {name}=PATH, a checkout of github.com/{SUITES[name].checkout}")
    rows: dict[str, str] = {}
    apart = False
    with ThreadPoolExecutor(2) as pool:
        for name in names:
            release = releases(SUITES[name].place)[SUITES[name].project or name]
            each = map if SUITES[name].alone else pool.map
            play = partial(run, name, release, paths.get(name))
            upstream, quartish = each(play, (SUITES[name].upstream, "quartish"))
            rows[name] = row(name, release, upstream, quartish)
            found = differences(upstream, quartish)
            apart = apart or bool(found) or not upstream
            print(rows[name], *found[:20], sep="\n    ", flush=True)
    if arguments.write:
        PAGE.write_text(page(rows), "utf-8")
    return int(apart)


if __name__ == "__main__":
    sys.exit(main())
