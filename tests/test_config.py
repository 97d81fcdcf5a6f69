"""Config: every loader, what it keeps, and what it says when it cannot load."""

from __future__ import annotations

import json
import os
import tomllib
import typing as t
from datetime import timedelta
from pathlib import Path

import pytest

from quartish.config import Config
from quartish.config import ConfigAttribute
from quartish.config import QuartConfig

UPPER = "kept"
lower = "dropped"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(tmp_path, {"DEBUG": False})


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The process environment, empty, for the test to fill."""
    variables: dict[str, str] = {}
    monkeypatch.setattr("os.environ", variables)
    return variables


def test_it_is_a_dict_with_defaults_and_a_telling_repr(config: Config, tmp_path: Path) -> None:
    assert config == {"DEBUG": False}
    assert config.root_path == tmp_path
    assert repr(config) == "<Config {'DEBUG': False}>"
    assert Config("/") == {}


def test_from_object_keeps_uppercase_names_only(config: Config) -> None:
    config.from_object(__name__)
    assert config["UPPER"] == "kept"
    assert "lower" not in config and "Path" not in config


def test_from_object_takes_a_class_with_what_it_inherits(config: Config) -> None:
    class Base:
        KEY = "base"
        OTHER = 1

    class Development(Base):
        KEY = "development"

    config.from_object(Development)
    assert config == {"DEBUG": False, "KEY": "development", "OTHER": 1}


def test_from_object_names_an_import_that_fails(config: Config) -> None:
    with pytest.raises(ImportError, match="no_such_module_of_ours"):
        config.from_object("no_such_module_of_ours.Config")


def test_from_mapping(config: Config) -> None:
    assert config.from_mapping({"A": 1, "b": 2}, C=3, d=4) is True
    assert config.from_mapping(t.cast(t.Any, [("E", 5)])) is True
    assert config.from_mapping() is True
    assert config == {"DEBUG": False, "A": 1, "C": 3, "E": 5}
    with pytest.raises(TypeError):
        t.cast(t.Any, config.from_mapping)({}, {})


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-15", "latin-1"])
def test_from_pyfile_heeds_the_encoding_of_the_file(
    config: Config, tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "app.cfg").write_text(
        f'# -*- coding: {encoding} -*-\nimport os\nTEXT = "föö"\nHERE = __file__\nlower = 1\n',
        encoding,
    )
    assert config.from_pyfile("app.cfg") is True
    assert config == {"DEBUG": False, "TEXT": "föö", "HERE": str(tmp_path / "app.cfg")}


def test_from_file_reads_text_or_bytes(config: Config, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"A": 1, "b": 2}')
    (tmp_path / "c.toml").write_text('C = "ü"\nd = 1\n', "utf-8")
    assert config.from_file("a.json", json.load) is True
    assert config.from_file(tmp_path / "c.toml", tomllib.load, text=False) is True
    assert config == {"DEBUG": False, "A": 1, "C": "ü"}


def load_pyfile(config: Config, name: str, silent: bool) -> bool:
    return config.from_pyfile(name, silent=silent)


def load_file(config: Config, name: str, silent: bool) -> bool:
    return config.from_file(name, json.load, silent=silent)


@pytest.mark.parametrize("load", [load_pyfile, load_file])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.cfg", "No such file or directory"),
        ("directory", "Is a directory"),
        ("file/below", "Not a directory"),
    ],
)
def test_an_absent_file_is_named_or_passed_over(
    config: Config,
    tmp_path: Path,
    load: t.Callable[[Config, str, bool], bool],
    name: str,
    reason: str,
) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as info:
        load(config, name, False)
    assert f"Unable to load configuration file ({reason}): " in str(info.value)
    assert str(info.value).endswith(f"{name}'")
    assert load(config, name, True) is False
    assert config == {"DEBUG": False}


def test_silent_does_not_hide_what_goes_wrong_inside_of_the_file(
    config: Config, tmp_path: Path
) -> None:
    (tmp_path / "app.cfg").write_text("KEY = open('/no/such/secret').read()")
    with pytest.raises(FileNotFoundError, match="No such file or directory: '/no/such/secret'"):
        config.from_pyfile("app.cfg", silent=True)


def test_from_envvar(config: Config, tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(RuntimeError, match="'APP_SETTINGS' is not set"):
        config.from_envvar("APP_SETTINGS")
    assert config.from_envvar("APP_SETTINGS", silent=True) is False
    environ["APP_SETTINGS"] = "missing.cfg"
    with pytest.raises(OSError, match="Unable to load configuration file"):
        config.from_envvar("APP_SETTINGS")
    assert config.from_envvar("APP_SETTINGS", silent=True) is False
    environ["APP_SETTINGS"] = os.fspath(tmp_path / "app.cfg")
    (tmp_path / "app.cfg").write_text("KEY = 1")
    assert config.from_envvar("APP_SETTINGS") is True
    assert config["KEY"] == 1


def test_from_prefixed_env_reads_json_and_else_text(
    config: Config, environ: dict[str, str]
) -> None:
    environ.update(
        FLASK_TEXT="value",
        FLASK_BOOL="true",
        FLASK_FLOAT="1.5",
        FLASK_LIST="[1, 2]",
        FLASK_DICT='{"k": "v"}',
        FLASKX="no",
        NOT_FLASK_OTHER="no",
    )
    assert config.from_prefixed_env() is True
    assert config == {
        "DEBUG": False,
        "TEXT": "value",
        "BOOL": True,
        "FLOAT": 1.5,
        "LIST": [1, 2],
        "DICT": {"k": "v"},
    }


def test_from_prefixed_env_sets_keys_of_nested_dicts(
    config: Config, environ: dict[str, str]
) -> None:
    environ.update(
        FLASK_OLD__ok="other",
        FLASK_OLD__inner__n="2",
        FLASK_OLD__new__more='{"k": false}',
        FLASK_NEW__K="v",
    )
    config["OLD"] = {"ok": "value", "inner": {"n": 1}, "flag": True}
    config.from_prefixed_env()
    assert config["OLD"] == {
        "ok": "other",
        "inner": {"n": 2},
        "flag": True,
        "new": {"more": {"k": False}},
    }
    assert config["NEW"] == {"K": "v"}


def test_from_prefixed_env_names_the_variable_that_does_not_fit(
    config: Config, environ: dict[str, str]
) -> None:
    environ["FLASK_DEBUG__level"] = "2"
    with pytest.raises(TypeError, match="'FLASK_DEBUG__level' sets a key inside .* not a dict"):
        config.from_prefixed_env()


def test_from_prefixed_env_takes_a_prefix_and_a_loader(
    config: Config, environ: dict[str, str]
) -> None:
    environ.update(FLASK_A="a", MINE_A="3", MINE_B="x")
    config.from_prefixed_env("MINE", loads=int)
    assert config == {"DEBUG": False, "A": 3, "B": "x"}


def test_the_awaitable_colour_reads_its_own_prefix(environ: dict[str, str]) -> None:
    environ.update(FLASK_A="1", QUART_A="2")
    config = QuartConfig("/")
    config.from_prefixed_env()
    assert config == {"A": 2}
    config.from_prefixed_env("FLASK")
    assert config == {"A": 1}


def test_get_namespace(config: Config) -> None:
    config.update(STORE_TYPE="fs", STORE_PATH="/var", OTHER=1)
    assert config.get_namespace("STORE_") == {"type": "fs", "path": "/var"}
    assert config.get_namespace("STORE_", lowercase=False) == {"TYPE": "fs", "PATH": "/var"}
    assert config.get_namespace("STORE_", trim_namespace=False) == {
        "store_type": "fs",
        "store_path": "/var",
    }


def test_config_attribute_forwards_to_the_config() -> None:
    def seconds(value: int | timedelta) -> timedelta:
        return value if isinstance(value, timedelta) else timedelta(seconds=value)

    class App:
        testing = ConfigAttribute[bool]("TESTING")
        lifetime = ConfigAttribute("LIFETIME", get_converter=seconds)

        def __init__(self) -> None:
            self.config = Config("/", {"TESTING": False, "LIFETIME": 42})

    app = App()
    assert app.testing is False
    app.testing = True
    assert app.config["TESTING"] is True
    assert app.lifetime == timedelta(seconds=42)
    app.lifetime = timedelta(days=1)
    assert app.config["LIFETIME"] == app.lifetime == timedelta(days=1)
    assert isinstance(App.testing, ConfigAttribute)
    assert App.testing.__name__ == "TESTING"
    del app.config["TESTING"]
    with pytest.raises(KeyError):
        _ = app.testing


def test_an_app_is_configured_through_it(colour: type[t.Any], tmp_path: Path) -> None:
    class Sub(Config):
        pass

    class App(colour):  # type: ignore[misc, valid-type]
        config_class = Sub

    app = App(__name__, root_path=str(tmp_path))
    (tmp_path / "app.cfg").write_text("SECRET_KEY = 'k'\nPERMANENT_SESSION_LIFETIME = 42\n")
    assert type(app.config) is Sub
    assert app.config.from_pyfile("app.cfg") is True
    assert app.secret_key == "k"
    assert app.permanent_session_lifetime == timedelta(seconds=42)
    app.testing = True
    assert app.config["TESTING"] is True
