"""`quartish port`: files that say how a project is installed and started."""

from __future__ import annotations

import pytest

from quartish._port.configs import port_config
from tests.port._ported import Porting

CHANGED = {
    "requirements.txt": [
        ("flask", "quartish"),
        ("Flask==3.1.0", "quartish"),
        ("flask[async]>=2,<4  # web", "quartish  # web"),
        ('Flask ~= 2.3 ; python_version > "3.8"', 'quartish ; python_version > "3.8"'),
        ("quart>=0.19", "quartish"),
    ],
    "setup.cfg": [("    Flask>=2", "    quartish")],
    "tox.ini": [
        ("    flask", "    quartish"),
        ("    new: flask>3", "    new: quartish"),
        ("commands = flask run", "commands = quartish run"),
    ],
    "pyproject.toml": [
        (
            '[project]\ndependencies = ["flask>=2", "flask-login"]',
            '[project]\ndependencies = ["quartish", "flask-login"]',
        ),
        (
            "[project.optional-dependencies]\nweb = [\n  'Flask [async] >= 3',  # x\n]",
            "[project.optional-dependencies]\nweb = [\n  'quartish',  # x\n]",
        ),
        (
            '[tool.poetry.dependencies]\npython = "^3.8"\nflask = "^2.0"',
            '[tool.poetry.dependencies]\npython = "^3.8"\nquartish = "*"',
        ),
        ('[dependency-groups]\ndev = ["flask"]', '[dependency-groups]\ndev = ["quartish"]'),
    ],
    "Pipfile": [('[packages]\nflask = "*"', '[packages]\nquartish = "*"')],
    "environment.yml": [("  - flask=2.0", "  - quartish"), ("    - flask==2", "    - quartish")],
    "setup.py": [
        (
            'setup(name="flask", install_requires=["Flask>=2", "flask-login"])',
            'setup(name="flask", install_requires=["quartish", "flask-login"])',
        )
    ],
    "Procfile": [("web: flask run --port 80", "web: quartish run --port 80")],
    "Dockerfile": [
        ('CMD ["flask", "run", "--host=0.0.0.0"]', 'CMD ["quartish", "run", "--host=0.0.0.0"]'),
        ('CMD ["python", "-m", "flask", "run"]', 'CMD ["python", "-m", "quartish", "run"]'),
        ("CMD python -m flask run", "CMD python -m quartish run"),
        ('RUN pip install "flask[async]==3" redis', 'RUN pip install "quartish" redis'),
    ],
    ".github/workflows/ci.yml": [
        ("      - run: pip install flask", "      - run: pip install quartish"),
        ("      - run: flask --app x routes", "      - run: quartish --app x routes"),
    ],
    "Makefile": [("\tFLASK_APP=shop flask db upgrade", "\tFLASK_APP=shop quartish db upgrade")],
}
SAME = {
    "requirements.txt": [
        *("flask-login==1", "# flask", "flaskr", "Flask-SQLAlchemy", "flask==2 --hash=sha256:1"),
        "git+https://example.org/flask.git",
    ],
    "pyproject.toml": [
        '[project]\nname = "flask"\ndescription = "flask"\nkeywords = ["flask"]',
        '[tool.other]\nflask = "x"',
        "not toml = = flask",
    ],
    "setup.py": [
        'setup(keywords="flask", packages=["flask.x"])',
        "def (",
        'classifiers = ["Framework :: Flask"]',
    ],
    "Dockerfile": [
        "# flask run",
        "COPY flask /app",
        "ENV FLASK_APP=shop",
        "RUN pip install flaskr",
    ],
    "Procfile": ["web: gunicorn app:app", "web: myflask run", "web: ./flask run"],
    "Pipfile": ['flask-login = "*"'],
    "run.sh": ["echo flask is running", "cd flask && ls"],
}


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [(file, *pair) for file, pairs in CHANGED.items() for pair in pairs],
)
def test_changed(file: str, before: str, after: str) -> None:
    assert port_config(file, before + "\n")[0] == after + "\n"
    assert port_config(file, after + "\r\n")[0] == after + "\r\n"


@pytest.mark.parametrize(
    ("file", "text"), [(file, text) for file, texts in SAME.items() for text in texts]
)
def test_the_same(file: str, text: str) -> None:
    assert port_config(file, text)[0] == text


@pytest.mark.parametrize(
    ("file", "line", "rule", "cure"),
    [
        (
            *("Procfile", "web: gunicorn -w 4 -b 0.0.0.0:80 shop.app:app", "server"),
            "`hypercorn --bind 0.0.0.0:80 --workers 4 shop.app:app`",
        ),
        (
            *("Dockerfile", 'CMD ["gunicorn", "--bind", ":80", "shop:create_app()"]', "server"),
            "`hypercorn --bind :80 shop:create_app()`",
        ),
        (
            *("Procfile", "web: uwsgi --http :80 --module x:app", "server"),
            "`hypercorn --bind :80 x:app`",
        ),
        ("uwsgi.ini", "module = shop:app", "server", "`hypercorn shop:app`"),
        (
            *("Procfile", "web: gunicorn -k gevent shop:app", "green-threads"),
            "take the worker class out",
        ),
        (
            *(".flaskenv", "FLASK_ENV=development", "flask-env"),
            "`FLASK_DEBUG=1`, or `quartish run --debug`",
        ),
        ("setup.cfg", "flask.commands =", "plugin", "name the group `quartish.commands`"),
    ],
)  # fmt: skip
def test_suggested(file: str, line: str, rule: str, cure: str) -> None:
    text, found = port_config(file, f"x\n{line}\n")
    assert text == f"x\n{line}\n"
    assert (2, rule, cure) in [(one.line, one.rule, one.cure) for one in found]
    assert not port_config(file, f"# {line}\n")[1]


def test_they_are_found_in_a_project(ported: Porting) -> None:
    files = {
        "setup.py": "from flask import Flask\nsetup(install_requires=['flask'])\n",
        "requirements/web.txt": "flask\n",
        "node_modules/requirements.txt": "flask\n",
        "notes.txt": "flask\n",
        "app.py": "",
    }
    project = ported(files)
    assert project.after["setup.py"] == (
        "from quartish import Flask\nsetup(install_requires=['quartish'])\n"
    )
    assert {one.file for one in project.report.edited} == {"setup.py", "requirements/web.txt"}
    assert not project.again()
