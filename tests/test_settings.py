"""What requests ask of a config is kept between them, and is still what the config says: however,
and whenever, it is changed. Played on real Flask as well."""

from __future__ import annotations

import copy
import json
import pickle
import typing as t
from pathlib import Path
from unittest import mock

import flask
import flask.config
import pytest

import quartish
import quartish.config
from quartish._settings import _LiveSettings
from quartish._settings import Settings

HOST = "other.example"


class Wanted:
    DEBUG = True
    TRUSTED_HOSTS: t.ClassVar = ["localhost"]
    SESSION_COOKIE_NAME = "other"


WANTED = {name: value for name, value in vars(Wanted).items() if name.isupper()}
Change = t.Callable[[t.Any, Path, pytest.MonkeyPatch], None]


def _items(app: t.Any, _: Path, __: pytest.MonkeyPatch) -> None:
    for name, value in WANTED.items():
        app.config[name] = value


def _setdefault(app: t.Any, _: Path, __: pytest.MonkeyPatch) -> None:
    for name, value in WANTED.items():
        app.config.pop(name)
        app.config.setdefault(name, value)


def _inplace_or(app: t.Any, _: Path, __: pytest.MonkeyPatch) -> None:
    app.config |= WANTED


def _fails_halfway(app: t.Any, _: Path, __: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="required"):
        app.config.update([*WANTED.items(), ("ONE",)])


def _refilled(app: t.Any, _: Path, __: pytest.MonkeyPatch) -> None:
    items = {**app.config, **WANTED}
    app.config.clear()
    app.config.update(items)


def _popped(app: t.Any, _: Path, __: pytest.MonkeyPatch) -> None:
    items = {**app.config, **WANTED}
    while app.config:
        app.config.popitem()
    app.config.update(**items)


def _pyfile(app: t.Any, folder: Path, _: pytest.MonkeyPatch) -> None:
    file = folder / "config.py"
    file.write_text("\n".join(f"{name} = {value!r}" for name, value in WANTED.items()))
    app.config.from_pyfile(file)


def _envvar(app: t.Any, folder: Path, patch: pytest.MonkeyPatch) -> None:
    file = folder / "config.py"
    file.write_text("\n".join(f"{name} = {value!r}" for name, value in WANTED.items()))
    patch.setenv("SETTINGS_FILE", str(file))
    app.config.from_envvar("SETTINGS_FILE")


def _file(app: t.Any, folder: Path, _: pytest.MonkeyPatch) -> None:
    (folder / "config.json").write_text(json.dumps(WANTED))
    app.config.from_file(folder / "config.json", load=json.load)


def _environment(app: t.Any, _: Path, patch: pytest.MonkeyPatch) -> None:
    for name, value in WANTED.items():
        patch.setenv(f"PLAYED_{name}", json.dumps(value))
    app.config.from_prefixed_env("PLAYED")


def _patched(app: t.Any, _: Path, patch: pytest.MonkeyPatch) -> None:
    for name, value in WANTED.items():
        patch.setitem(app.config, name, value)


def _copied(app: t.Any, _: Path, __: pytest.MonkeyPatch) -> None:
    """The copy is the app's from now on, and what it was copied from is nobody's."""
    before, app.config = app.config, copy.copy(app.config)
    app.config.update(WANTED)
    before.clear()


def _plain(app: t.Any, _: Path, __: pytest.MonkeyPatch) -> None:
    app.config = dict(app.config)
    app.config.update(WANTED)


def _own_class(app: t.Any, folder: Path, _: pytest.MonkeyPatch) -> None:
    values = dict(app.config)

    class Lazy(type(app.config)):  # type: ignore[misc]
        def __getitem__(self, name: str) -> t.Any:
            return {**values, **WANTED}[name]

    app.config = Lazy(folder, app.config)


def _own_property(app: t.Any, _: Path, __: pytest.MonkeyPatch) -> None:
    values = dict(app.config)
    type(app).config = property(lambda _: {**values, **WANTED})


def _on_the_class(app: t.Any, _: Path, patch: pytest.MonkeyPatch) -> None:
    original = type(app.config).update

    def update(self: t.Any, *args: t.Any, **kwargs: t.Any) -> None:
        original(self, *args, **kwargs)

    patch.setattr(type(app.config), "update", update)
    app.config.update(WANTED)


CHANGES: list[Change] = [
    *(_items, _setdefault, _inplace_or, _fails_halfway, _refilled, _popped, _pyfile, _envvar),
    *(_file, _environment, _patched, _copied, _plain, _own_class, _own_property, _on_the_class),
    lambda app, *_: app.config.from_object(Wanted),
    lambda app, *_: app.config.from_mapping(WANTED),
    lambda app, *_: app.config.update(WANTED),
]


def make_app(module: t.Any) -> t.Any:
    class Own(module.Flask):  # type: ignore[misc]
        """To be patched."""

    app = Own(__name__)
    app.secret_key = "secret"

    def view() -> t.Any:
        module.session["a"] = 1
        return {"a": 1}

    app.add_url_rule("/", "view", view)
    return app


Asked = list[tuple[int, str, list[str]]]


def _told(response: t.Any) -> tuple[int, str, list[str]]:
    cookies = [line.partition("=")[0] for line in response.headers.getlist("Set-Cookie")]
    return response.status_code, response.get_data(as_text=True), cookies


def ask(app: t.Any) -> Asked:
    # Each time without the cookie of the time before.
    return [
        _told(app.test_client().get("/", base_url=f"http://{host}")) for host in ("localhost", HOST)
    ]


async def ask_by_asgi(app: t.Any) -> Asked:
    return [
        _told(await app.async_test_client().get("/", headers={"Host": host}))
        for host in ("localhost", HOST)
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
async def test_a_change_between_two_requests_is_heeded_as_in_flask(
    change: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = make_app(flask)
    before = ask(real)
    change(real, tmp_path, monkeypatch)
    after = ask(real)
    assert before != after and [status for status, *_ in after] == [200, 400]
    assert after[0][2] == ["other"] and "\n " in after[0][1]
    by_wsgi, by_asgi = make_app(quartish), make_app(quartish)
    assert ask(by_wsgi) == before and await ask_by_asgi(by_asgi) == before
    for app in (by_wsgi, by_asgi):
        change(app, tmp_path, monkeypatch)
    assert ask(by_wsgi) == after
    by_loop = await ask_by_asgi(by_asgi)
    assert [row[::2] for row in by_loop] == [row[::2] for row in after]
    assert by_loop[0][1] == after[0][1]


@pytest.mark.parametrize("where", ["before", "view", "replaced"])
async def test_a_change_during_a_request_is_heeded_by_that_request(where: str) -> None:
    def make(module: t.Any, kind: t.Any) -> t.Any:
        app = kind(__name__)

        def change() -> None:
            if where == "replaced":
                app.config = {**app.config, "DEBUG": True}
            else:
                app.config["DEBUG"] = True

        if where == "before":

            @app.before_request
            def before() -> None:
                change()

        def view() -> t.Any:
            if where != "before":
                change()
            return {"a": 1}

        async def async_view() -> t.Any:
            return view()

        app.add_url_rule("/", "view", view if module is flask else async_view)
        return app

    expected = make(flask, flask.Flask).test_client().get("/").get_data(as_text=True)
    assert "\n " in expected
    app = make(quartish, quartish.Flask)
    assert (await app.async_test_client().get("/")).get_data(as_text=True) == expected
    app = make(quartish, quartish.Quart)
    assert await (await app.test_client().get("/")).get_data(as_text=True) == expected


async def test_a_setting_that_was_deleted_is_missed_until_it_is_back(
    colour: type[t.Any],
) -> None:
    app = colour(__name__)
    settings = app.quartish_settings
    del app.config["TRUSTED_HOSTS"]
    with pytest.raises(KeyError, match="TRUSTED_HOSTS"):
        _ = settings.TRUSTED_HOSTS
    assert settings.SESSION_COOKIE_NAME == "session"
    app.config["TRUSTED_HOSTS"] = ["a"]
    assert settings.TRUSTED_HOSTS == ["a"] and type(settings) is Settings


def test_settings_are_kept_of_our_configs_alone(colour: type[t.Any]) -> None:
    app = colour(__name__)
    settings = app.quartish_settings
    assert type(settings) is Settings
    app.config = dict(app.config)
    assert type(settings) is _LiveSettings
    app.config["DEBUG"] = 5
    assert settings.DEBUG == 5
    app.config = app.config_class("/", app.config)
    assert type(settings) is Settings and settings.DEBUG == 5
    app.config["DEBUG"] = 6
    assert settings.DEBUG == 6


def test_two_apps_may_share_a_config() -> None:
    first, second = quartish.Flask("a"), quartish.Quart("b")
    second.config = first.config
    first.config["TESTING"] = True
    assert first.quartish_settings.TESTING is second.quartish_settings.TESTING is True
    second.config = quartish.config.QuartConfig("/", dict(first.config))
    first.config["TESTING"] = False
    assert (first.quartish_settings.TESTING, second.quartish_settings.TESTING) == (False, True)


def test_a_copied_app_has_settings_of_its_own(colour: type[t.Any]) -> None:
    app = colour(__name__)
    copied = copy.copy(app)
    copied.config = copied.config_class("/", {**app.config, "TESTING": True})
    assert (app.quartish_settings.TESTING, copied.quartish_settings.TESTING) == (False, True)
    app.config["TESTING"], copied.config["TESTING"] = 1, 2
    assert (app.quartish_settings.TESTING, copied.quartish_settings.TESTING) == (1, 2)


@pytest.mark.parametrize("kind", [quartish.config.Config, quartish.config.QuartConfig])
def test_a_config_is_copied_pickled_and_compared_as_flasks(kind: type[t.Any]) -> None:
    ours, real = kind("/", {"A": [1]}), flask.config.Config("/", {"A": [1]})
    assert vars(ours) == vars(real)
    for copied in (copy.copy, copy.deepcopy, lambda config: pickle.loads(pickle.dumps(config))):
        got, expected = copied(ours), copied(real)
        assert type(got) is kind and got == expected == ours
        assert vars(got) == vars(expected)
        got["B"] = 1
        assert "B" not in ours
    assert type(ours.copy()) is type(real.copy()) is dict
    assert type(ours | {}) is type(real | {})


def test_its_methods_answer_as_those_of_a_dict() -> None:
    def play(config: t.Any) -> list[t.Any]:
        told: list[t.Any] = []

        def note(func: t.Callable[[], t.Any]) -> None:
            try:
                told.append(func())
            except Exception as error:
                told.append((type(error), str(error)))

        note(lambda: config.pop("A"))
        note(lambda: config.pop("A"))
        note(lambda: config.pop("A", 5))
        note(lambda: config.pop())
        note(lambda: config.setdefault("B"))
        note(lambda: config.setdefault("B", 1))
        note(lambda: config.setdefault("C", 2))
        note(lambda: config.update([("D", 3)], E=4))
        note(lambda: config.update(1))
        note(lambda: config.__delitem__("Z"))
        note(lambda: config.__setitem__([], 1))
        note(lambda: config.popitem())
        note(lambda: config.__ior__({"F": 6}) is config)
        note(lambda: config.__ior__(5))
        note(lambda: dict(config))
        note(lambda: config.clear())
        note(lambda: config.popitem())
        return told

    assert play(quartish.config.Config("/", {"A": 1})) == play(flask.config.Config("/", {"A": 1}))


def test_mock_patches_a_config_and_puts_it_back(colour: type[t.Any]) -> None:
    app = colour(__name__)
    with mock.patch.dict(app.config, {"TESTING": True}):
        assert app.quartish_settings.TESTING is True
    assert app.quartish_settings.TESTING is False


def test_a_class_beside_config_is_called(colour: type[t.Any]) -> None:
    class Counting(dict[str, t.Any]):
        updates = 0

        def update(self, *args: t.Any, **kwargs: t.Any) -> None:
            self.updates += 1
            super().update(*args, **kwargs)

    class Both(quartish.config.Config, Counting):  # type: ignore[misc]
        pass

    config = Both("/", {})
    config.update(A=1)
    assert config.updates == 1 and config == {"A": 1}
