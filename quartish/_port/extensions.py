"""Flask's extensions: what is known of each on quartish, as docs/extensions.md has it."""

from __future__ import annotations

import typing as t

from .resolve import Project


class Extension(t.NamedTuple):
    """An extension, by the name that it is imported by."""

    name: str
    #: "works", "partly", or "no".
    status: str = "works"
    says: str = ""
    #: What its hooks do that would hold the event loop, or "".
    hooks: str = ""
    #: What it gives templates that blocks, or "".
    templates: str = ""
    #: Whether its decorators wrap views, and return what those return.
    wraps: bool = True
    #: Whether it imports Flask.
    needs_flask: bool = True


_USER = "lets them ask for the user"
_DATABASE = "work with a database's session"
EXTENSIONS: dict[str, Extension] = {
    "apiflask": Extension("APIFlask"),
    "authlib": Extension("Authlib", needs_flask=True),
    "celery": Extension("Celery", says="tasks run as before", needs_flask=False),
    "connexion": Extension("Connexion"),
    "flasgger": Extension("flasgger", "untested"),
    "flask_admin": Extension("Flask-Admin"),
    "flask_appbuilder": Extension("Flask-AppBuilder", hooks=_DATABASE),
    "flask_babel": Extension("Flask-Babel"),
    "flask_bcrypt": Extension("Flask-Bcrypt"),
    "flask_bootstrap": Extension("Bootstrap-Flask"),
    "flask_caching": Extension("Flask-Caching"),
    "flask_classful": Extension("Flask-Classful"),
    "flask_compress": Extension("Flask-Compress", hooks="compress on the processor"),
    "flask_cors": Extension("Flask-CORS"),
    "flask_dance": Extension("Flask-Dance"),
    "flask_debugtoolbar": Extension(
        "Flask-DebugToolbar",
        "partly",
        "the logging panel tells requests apart by their thread: keep `def` views for it",
        hooks="keep something for each thread",
    ),
    "flask_executor": Extension("Flask-Executor"),
    "flask_httpauth": Extension("Flask-HTTPAuth"),
    "flask_jwt_extended": Extension("Flask-JWT-Extended"),
    "flask_limiter": Extension("Flask-Limiter", hooks="ask the store of the limits"),
    "flask_login": Extension("Flask-Login", templates=_USER),
    "flask_mail": Extension("Flask-Mail"),
    "flask_mailman": Extension("Flask-Mailman"),
    "flask_marshmallow": Extension("Flask-Marshmallow"),
    "flask_migrate": Extension("Flask-Migrate"),
    "flask_minify": Extension("Flask-Minify", hooks="shorten responses on the processor"),
    "flask_monitoringdashboard": Extension("Flask-MonitoringDashboard", hooks=_DATABASE),
    "flask_openapi3": Extension("flask-openapi3"),
    "flask_principal": Extension("Flask-Principal"),
    "flask_pydantic": Extension("Flask-Pydantic"),
    "flask_restful": Extension("Flask-RESTful", says="its resources stay `def`"),
    "flask_restx": Extension("flask-restx", says="its resources stay `def`"),
    "flask_security": Extension("Flask-Security", hooks=_DATABASE, templates=_USER),
    "flask_session": Extension("Flask-Session", hooks="ask the store of the sessions"),
    "flask_smorest": Extension("flask-smorest"),
    "flask_sock": Extension(
        "flask-sock", "no", "it takes the socket out of the WSGI server: use `@app.websocket`"
    ),
    "flask_sockets": Extension(
        "Flask-Sockets", "no", "it needs gevent: use `@app.websocket`"
    ),
    "flask_socketio": Extension(
        "Flask-SocketIO", "partly", 'long polling, with `async_mode="threading"`'
    ),
    "flask_sqlalchemy": Extension("Flask-SQLAlchemy"),
    "flask_talisman": Extension("Flask-Talisman"),
    "flask_testing": Extension("Flask-Testing"),
    "flask_wtf": Extension("Flask-WTF"),
    "flask_script": Extension("Flask-Script", "no", "use `app.cli` and the command `quartish`"),
    "flask_uploads": Extension("Flask-Uploads", "untested"),
    "moto": Extension("moto"),
    "peewee": Extension("peewee", says="SYNC_HOOKS_IN_THREAD", needs_flask=False),
    "prometheus_flask_exporter": Extension("prometheus-flask-exporter"),
    "pytest_flask": Extension("pytest-flask"),
    "whitenoise": Extension("WhiteNoise", needs_flask=False),
}  # fmt: skip
#: Of packages of which one part is for Flask, that part.
_PARTS = (
    *("authlib.integrations.flask_client", "authlib.integrations.flask_oauth2"),
    *("sentry_sdk.integrations.flask", "opentelemetry.instrumentation.flask"),
    *("webargs.flaskparser", "playhouse.flask_utils", "strawberry.flask", "moto.server"),
    *("ddtrace.contrib.flask", "elasticapm.contrib.flask", "spectree", "dash", "graphql_server"),
)
_ALONE = ("apiflask", "connexion", "flasgger", "prometheus_flask_exporter", "pytest_flask")


def needs_flask(dotted: str) -> str:
    """Return the extension of which an import is a part, where that imports Flask; or ""."""
    for part in _PARTS:
        if dotted == part or dotted.startswith(f"{part}."):
            return part
    first = dotted.partition(".")[0]
    if first.startswith(("flask_", "flaskext")) or first in _ALONE:
        return first
    return ""


def find_extensions(project: Project) -> dict[str, tuple[str, int]]:
    """Return the extensions that the project imports, with the first file and line of each."""
    found: dict[str, tuple[str, int]] = {}
    for fact in project.facts:
        for one in fact.imports:
            name = needs_flask(one.dotted)
            if name and not fact.test and not _own(project, one.dotted):
                found.setdefault(name, (fact.file, one.line))
    return dict(sorted(found.items()))


def _own(project: Project, dotted: str) -> bool:
    return dotted.partition(".")[0] in project.modules
