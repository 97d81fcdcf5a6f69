"""What blocks a thread, what to use instead, and what is known not to block: one table.

`quartish port` looks at a tree with it, `quartish check` at the views of an app that runs. A
project adds to it in its pyproject.toml:

    [tool.quartish.port.blocking]
    "ourlib.Client" = "ourlib.AsyncClient"

    [tool.quartish.port]
    harmless = ["ourlib.parse"]
"""

from __future__ import annotations

import re
import tomllib
import typing as t
from pathlib import Path

LEAVE = "leave the view `def`: it has a worker thread"


class Blocking(t.NamedTuple):
    """A thing that blocks: what it is called, what it waits for, and what to use instead."""

    #: Its path, with which the paths of its results begin as well.
    path: str
    waits: str
    instead: str
    #: The flag that lets `port` rewrite it, or "".
    flag: str = ""


def _each(paths: str, waits: str, instead: str, flag: str = "") -> list[Blocking]:
    return [Blocking(path, waits, instead, flag) for path in paths.split()]


_DATABASE, _NETWORK, _FILES = "a database", "the network", "a file"
TABLE: tuple[Blocking, ...] = (
    *_each("time.sleep", "time to pass", "`await asyncio.sleep`", "sleep"),
    *_each(
        "requests.get requests.post requests.put requests.patch requests.delete requests.head"
        " requests.options requests.request",
        _NETWORK,
        "`httpx.AsyncClient`",
        "httpx",
    ),
    *_each("requests.Session requests.session", _NETWORK, "`httpx.AsyncClient`"),
    *_each(
        "urllib.request.urlopen urllib.request.urlretrieve urllib.request.build_opener urllib3"
        " http.client httplib2 pycurl treq.get mechanize cloudscraper requests_oauthlib"
        " httpx.get httpx.post httpx.put httpx.patch httpx.delete httpx.head httpx.request"
        " httpx.stream httpx.Client",
        _NETWORK,
        "`httpx.AsyncClient`",
    ),
    *_each("socket ssl.SSLSocket", _NETWORK, "`asyncio.open_connection`"),
    *_each("sqlite3 apsw pysqlite3 sqlcipher3", _DATABASE, "`aiosqlite`"),
    *_each("psycopg2 psycopg.connect psycopg_pool.ConnectionPool pg8000 pgdb", _DATABASE,
           "`asyncpg`, or `psycopg.AsyncConnection`"),
    *_each("MySQLdb pymysql mysql.connector flask_mysqldb flaskext.mysql mariadb", _DATABASE,
           "`asyncmy` or `aiomysql`"),
    *_each("pyodbc pymssql", _DATABASE, "`aioodbc`"),
    *_each("cx_Oracle oracledb.connect", _DATABASE, "`oracledb.connect_async`"),
    *_each("duckdb clickhouse_driver snowflake.connector", _DATABASE, LEAVE),
    *_each("redis.Redis redis.StrictRedis redis.from_url redis.Sentinel redis.client flask_redis"
           " rediscluster", "Redis", "`redis.asyncio`"),
    *_each("pymongo flask_pymongo mongoengine flask_mongoengine", _DATABASE,
           "`pymongo.AsyncMongoClient` or `motor`"),
    *_each("pymemcache memcache pylibmc bmemcached", "Memcached", "`aiomcache`"),
    *_each("elasticsearch.Elasticsearch elasticsearch_dsl opensearchpy.OpenSearch", "a server",
           "`AsyncElasticsearch`"),
    *_each("cassandra.cluster neo4j.GraphDatabase influxdb influxdb_client", _DATABASE,
           "the driver's async part"),
    *_each("ldap ldap3 flask_ldap3_login hvac consul kazoo", "a server", LEAVE),
    *_each(
        "sqlalchemy.create_engine sqlalchemy.orm.Session sqlalchemy.orm.session"
        " sqlalchemy.orm.sessionmaker sqlalchemy.orm.scoped_session sqlalchemy.engine"
        " sqlalchemy.orm.Query sqlmodel.Session sqlmodel.create_engine flask_sqlalchemy"
        " flask_sqlalchemy_session",
        _DATABASE,
        "SQLAlchemy's `AsyncSession`",
    ),
    *_each("peewee playhouse pony dataset records", _DATABASE, LEAVE),
    *_each("boto3 botocore s3transfer boto", "AWS", "`aioboto3`"),
    *_each("google.cloud googleapiclient azure minio.Minio swiftclient docker kubernetes.client"
           " paramiko fabric pysftp ftplib telnetlib", "a server",
           "the library's async part, or leave the view `def`"),
    *_each("smtplib flask_mail flask_mailman sendgrid mailjet_rest", "a mail server",
           "`aiosmtplib`"),
    *_each("imaplib poplib", "a mail server", "`aioimaplib`"),
    *_each("stripe twilio.rest slack_sdk.WebClient openai.OpenAI anthropic.Anthropic github.Github"
           " gitlab.Gitlab tweepy", _NETWORK, "the library's async client"),
    *_each("pika kombu celery.result amqp", "a message broker", "`aio_pika`"),
    *_each("kafka confluent_kafka", "Kafka", "`aiokafka`"),
    *_each(
        "subprocess os.system os.popen os.spawnl os.spawnv os.waitpid os.wait sh pexpect",
        "a process",
        "`asyncio.create_subprocess_exec`",
    ),
    *_each("multiprocessing concurrent.futures.ProcessPoolExecutor", "a process", LEAVE),
    *_each(
        "concurrent.futures.ThreadPoolExecutor threading.Thread().join threading.Lock"
        " threading.RLock threading.Condition threading.Event().wait threading.Semaphore"
        " threading.BoundedSemaphore threading.Barrier queue.Queue().get queue.Queue().put"
        " queue.Queue().join queue.SimpleQueue().get filelock",
        "another thread",
        "asyncio's of the same name",
    ),
    *_each("signal.pause select.select builtins.input getpass.getpass", "something", LEAVE),
    *_each(
        "builtins.open io.open codecs.open gzip.open bz2.open lzma.open zipfile.ZipFile"
        " tarfile.open shutil tempfile os.listdir os.scandir os.walk os.remove os.unlink os.rename"
        " os.replace os.makedirs os.mkdir os.rmdir os.removedirs os.stat os.chmod os.open os.read"
        " os.write os.symlink os.link os.utime os.fsync glob fileinput linecache shelve dbm"
        " os.path.exists os.path.isfile os.path.isdir os.path.getsize os.path.getmtime"
        " os.path.islink os.path.realpath os.fdopen os.lstat os.access",
        _FILES,
        "`anyio.open_file`, `anyio.Path`",
    ),
    *_each(
        " ".join(
            f"pathlib.Path().{name}"
            for name in "open read_text read_bytes write_text write_bytes exists is_file is_dir"
            " iterdir glob rglob mkdir unlink rename replace rmdir stat touch resolve chmod"
            " symlink_to samefile".split()
        ),
        _FILES,
        "`anyio.Path`",
    ),
    *_each("flask.request.files[].save flask.request.files.get().save"
           " werkzeug.datastructures.FileStorage().save", _FILES,
           "`await run_sync(file.save)(path)`"),
    *_each("flask.Flask().open_resource flask.Flask().open_instance_resource"
           " flask.Blueprint().open_resource", _FILES, "`anyio.open_file`"),
    *_each("PIL.Image.open PIL.Image.Image().save cv2 pdfkit weasyprint imgkit", "the processor",
           LEAVE),
    *_each(
        "werkzeug.security.generate_password_hash werkzeug.security.check_password_hash bcrypt"
        " flask_bcrypt passlib argon2 hashlib.pbkdf2_hmac hashlib.scrypt",
        "the processor, for tens of milliseconds",
        "`await run_sync(...)`",
    ),
    *_each("pandas.read_csv pandas.read_sql pandas.read_excel pandas.read_json pandas.read_parquet"
           " pandas.DataFrame().to_csv pandas.DataFrame().to_sql numpy.load numpy.save",
           _FILES, LEAVE),
    *_each("gevent eventlet", "a green thread", "asyncio"),
    *_each("asyncio.run", "an event loop of its own", "`await`"),
    *_each("git.Repo dulwich pygit2", _FILES, LEAVE),
    *_each("whois dns.resolver nmap scapy feedparser.parse yfinance wikipedia bs4_requests",
           _NETWORK, "`httpx.AsyncClient`, or leave the view `def`"),
)  # fmt: skip

#: What is known not to block, with what comes of it.
_STDLIB = (
    "abc argparse array ast base64 binascii bisect calendar cmath collections colorsys contextlib"
    " contextvars copy csv dataclasses datetime decimal difflib email.utils enum errno fractions"
    " functools gettext hashlib heapq hmac html http.HTTPStatus http.cookies inspect io.BytesIO"
    " io.StringIO ipaddress itertools json keyword locale logging math mimetypes numbers operator"
    " os.environ os.getenv os.getpid os.path.basename os.path.dirname os.path.join os.path.splitext"
    " os.path.split os.path.normpath os.path.abspath os.path.isabs os.path.relpath"
    " os.path.expanduser os.path.commonprefix os.urandom os.sep os.name os.cpu_count"
    " os.fspath os.fsdecode os.fsencode os.linesep os.pathsep"
    " pathlib.Path pathlib.PurePath pathlib.PurePosixPath posixpath platform pprint"
    " random re reprlib secrets shlex statistics string struct sys textwrap time.time"
    " time.monotonic"
    " time.perf_counter time.process_time time.strftime time.strptime time.gmtime time.localtime"
    " time.mktime time.time_ns threading.current_thread threading.get_ident traceback types typing"
    " unicodedata urllib.parse uuid warnings weakref xml.sax.saxutils zlib zoneinfo"
    " concurrent.futures.CancelledError queue.Empty queue.Full __future__ asyncio"
)
_OTHERS = (
    "markupsafe itsdangerous six attr attrs pytz dateutil babel flask_babel.gettext"
    " flask_babel._ flask_babel.lazy_gettext flask_babel.ngettext flask_babel.format_date"
    " typing_extensions pydantic_core isodate arrow pendulum humanize slugify bleach markdown"
    " mistune toolz more_itertools jmespath ulid shortuuid inflection simplejson orjson ujson"
    " rapidjson xmltodict defusedxml webcolors packaging.version"
    " werkzeug.exceptions werkzeug.http werkzeug.datastructures werkzeug.urls werkzeug.utils"
    " werkzeug.wrappers werkzeug.routing werkzeug.security.safe_join werkzeug.security.gen_salt"
    " werkzeug.Response werkzeug.Request"
)
_FLASK = (
    "flask.request flask.session flask.abort flask.redirect flask.url_for flask.jsonify"
    " flask.make_response flask.flash flask.get_flashed_messages flask.Response flask.Request"
    " flask.escape flask.Markup flask.json flask.after_this_request flask.has_request_context"
    " flask.has_app_context flask.send_file flask.send_from_directory flask.stream_with_context"
    " flask.safe_join flask.typing flask.helpers flask.wrappers flask.globals.request"
    " flask.g.get flask.g.pop flask.g.setdefault flask.g flask.current_app"
    " flask.render_template flask.render_template_string flask.templating.render_template"
    " flask.templating.render_template_string flask.copy_current_request_context"
)
#: Attributes of an app that are plain; `current_app` means one.
_APP = (
    "config logger name debug testing secret_key url_map view_functions blueprints root_path"
    " static_folder static_url_path template_folder import_name url_for make_response json"
    " permanent_session_lifetime instance_path jinja_env response_class request_class"
    " ensure_sync redirect aborter has_static_folder url_for"
)
_RESPONSE = (
    "set_cookie delete_cookie headers status status_code mimetype content_type set_data get_data"
    " set_etag add_etag cache_control vary last_modified expires mimetype_params"
)
#: Modules whose functions return their arguments, or objects that hold them.
_CARRIERS = frozenset(
    (
        "abc array attr attrs collections contextlib copy dataclasses functools heapq inspect"
        " itertools more_itertools operator sys toolz types typing weakref"
    ).split()
)
#: Builtins that return a plain value.
_VALUES = frozenset(
    (
        "abs ascii bin bool bytearray bytes chr complex dict divmod float format frozenset hash hex"
        " id int len oct ord pow print range repr round slice str sum"
    ).split()
)
_HARMLESS_BUILTINS = frozenset({"open", "input", "exec", "eval", "compile", "__import__"})
#: Methods of strings, lists and dates that nothing has which blocks.
METHODS = frozenset(
    (
        "append extend insert sort reverse strip lstrip rstrip lower upper title capitalize"
        " casefold startswith endswith encode decode isdigit isalpha isalnum isnumeric split"
        " rsplit partition rpartition splitlines format format_map replace zfill ljust rjust"
        " center setdefault isoformat strftime timestamp date weekday total_seconds groupdict"
        " group join removeprefix removesuffix translate swapcase hex isspace isidentifier islower"
        " isupper istitle isprintable isdecimal isascii expandtabs utcoffset"
    ).split()
)
#: Those of them that files, threads and databases have, too.
AMBIGUOUS = frozenset(("join", "replace", "insert"))


class Table:
    """The table with a project's own entries."""

    def __init__(
        self, blocking: t.Mapping[str, str] | None = None, harmless: t.Iterable[str] = ()
    ) -> None:
        own = [Blocking(path, "what the project says", to) for path, to in (blocking or {}).items()]
        self._blocking = {entry.path: entry for entry in (*TABLE, *own)}
        names = f"{_STDLIB} {_OTHERS} {_FLASK}".split()
        names += [
            f"requests.{method}().{name}"  # of a response that was read
            for method in ("get", "post", "put", "patch", "delete", "head", "options", "request")
            for name in ("json", "raise_for_status", "headers", "text")
        ]
        names += [f"flask.Flask().{name}" for name in _APP.split()]
        names += [f"flask.Flask().make_response().{name}" for name in _RESPONSE.split()]
        self._harmless = frozenset((*names, *harmless))
        self._own = frozenset((*(blocking or {}), *harmless))

    def blocks(self, path: str) -> Blocking | None:
        """Return the entry of what blocks when it is called by this path."""
        if path.startswith("pathlib.Path()"):  # whatever leads from one path to another
            path = f"pathlib.Path().{path.rpartition('.')[2]}"
        found, harmless = self._longest(path, self._blocking), self._longest(path, self._harmless)
        if not found or len(harmless) > len(found):
            return None
        return self._blocking[found]

    def harmless(self, path: str) -> bool:
        """Say whether a call by this path is known not to block."""
        if path.endswith(("()", "[]")) or path == "<lambda>":  # what it calls may be anything
            return False
        last = path.rpartition(".")[2]
        if path.startswith("<"):
            return ("()" not in path and "[]" not in path) or last in METHODS
        if path.startswith("builtins."):
            name, _, rest = path.removeprefix("builtins.").partition("()")
            if rest:
                return last in METHODS or (name in _VALUES and "[]" not in rest)
            return name not in _HARMLESS_BUILTINS
        found = self._longest(path, self._harmless)
        if found in ("flask.g", "flask.current_app"):  # themselves, not what is in them
            return path == found
        if found.startswith("flask.Flask()") or found.partition(".")[0] in _CARRIERS:
            rest = path[len(found) :]  # what is in it may be anything
            if "()" in rest or "[]" in rest:
                return rest.rpartition(".")[2] in METHODS
        return bool(found) and len(self._longest(path, self._blocking)) <= len(found)

    def _longest(self, path: str, names: t.Container[str]) -> str:
        """Return the longest of the names that the path begins with, at a word's end."""
        for end in reversed([match.start() for match in re.finditer(r"[.(\[]|$", path)]):
            if path[:end] in names:
                return path[:end]
            # `a().b` of an entry is cut after its parentheses, too.
            if path[end : end + 2] in ("()", "[]") and path[: end + 2] in names:
                return path[: end + 2]
        return ""


def read_table(root: Path) -> Table:
    """Return the table with what `root`/pyproject.toml adds. Raises ValueError where that is of
    another form."""
    settings = read_settings(root)
    blocking, harmless = settings.get("blocking", {}), settings.get("harmless", [])
    if not isinstance(blocking, dict) or not all(isinstance(to, str) for to in blocking.values()):
        raise ValueError("[tool.quartish.port] blocking: a table of strings is expected")
    if not isinstance(harmless, list) or not all(isinstance(name, str) for name in harmless):
        raise ValueError("[tool.quartish.port] harmless: a list of strings is expected")
    return Table(blocking, harmless)


def read_settings(root: Path) -> dict[str, t.Any]:
    """Return `[tool.quartish.port]` of a project. Raises ValueError where it is no TOML."""
    try:
        text = (root / "pyproject.toml").read_text("utf-8")
    except OSError:
        return {}
    settings = tomllib.loads(text).get("tool", {}).get("quartish", {}).get("port", {})
    if not isinstance(settings, dict):
        raise ValueError("[tool.quartish.port]: a table is expected")
    return settings
