"""The blog, held to the same words under quartish and under Flask."""

from __future__ import annotations

import io
import sqlite3
import typing as t
from pathlib import Path

import pytest

from .conftest import Blog
from .conftest import EXAMPLES
from .conftest import LIMIT

HILLS = (EXAMPLES / "blog/static/hills.png").read_bytes()


@pytest.fixture
def app(blog: Blog, tmp_path: Path) -> t.Any:
    return blog.create(tmp_path)


@pytest.fixture
def client(app: t.Any) -> t.Any:
    return app.test_client()


def log_in(client: t.Any, name: str = "grace", password: str = "hopper") -> t.Any:
    account = {"name": name, "password": password}
    client.post("/auth/register", data=account)
    return client.post("/auth/login", data=account)


def write(client: t.Any, title: str = "On nets", body: str = "Cast them.", **more: t.Any) -> t.Any:
    return client.post("/write", data={"title": title, "body": body, **more})


def upload(content: bytes, name: str) -> dict[str, t.Any]:
    return {"picture": (io.BytesIO(content), name)}


def test_the_first_page_is_empty(client: t.Any) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert response.mimetype == "text/html"
    assert "Nobody has written anything yet." in response.text
    assert "<title>Posts · Marginalia</title>" in response.text  # block within the base


def test_register_log_in_log_out(blog: Blog, client: t.Any) -> None:
    answer = client.post("/auth/register", data={"name": "grace", "password": "hopper"})
    assert (answer.status_code, answer.location) == (302, "/auth/login")
    assert "Welcome, grace." in client.get(answer.location).text
    assert "Welcome, grace." not in client.get(answer.location).text  # a flash shows once

    with client:
        answer = client.post("/auth/login", data={"name": "grace", "password": "hopper"})
        assert answer.location == "/"
        assert blog.framework.session["author_id"] == 1
        page = client.get("/")
        assert blog.framework.g.author["name"] == "grace"
    assert "Hello, grace." in page.text and "Log out" in page.text
    cookie = client.get_cookie("session")
    assert cookie.http_only and cookie.same_site == "Lax"

    page = client.post("/auth/logout", follow_redirects=True)
    assert page.request.path == "/" and len(page.history) == 1
    assert "Until next time." in page.text and "Log in" in page.text


@pytest.mark.parametrize(
    ("path", "account", "status", "says"),
    [
        ("/auth/register", {"name": " ", "password": "x"}, 400, "are needed"),
        ("/auth/register", {"name": "GRACE", "password": "x"}, 409, "The name GRACE is taken."),
        ("/auth/login", {"name": "grace", "password": "wrong"}, 401, "No such name"),
        ("/auth/login", {"name": "nobody", "password": "hopper"}, 401, "No such name"),
        ("/auth/login", {"name": "grace"}, 400, "Bad Request"),
    ],
)
def test_refused_accounts(
    client: t.Any, path: str, account: dict[str, str], status: int, says: str
) -> None:
    client.post("/auth/register", data={"name": "grace", "password": "hopper"})
    answer = client.post(path, data=account)
    assert answer.status_code == status
    assert says in answer.text
    if status != 400:
        assert f'value="{account["name"]}"' in answer.text  # what was typed is kept


@pytest.mark.parametrize(
    ("wanted", "given"),
    [("/write", "/write"), ("//evil.example", "/"), ("/\\evil.example", "/"), ("evil", "/")],
)
def test_login_goes_on_to_local_pages_only(client: t.Any, wanted: str, given: str) -> None:
    account = {"name": "grace", "password": "hopper"}
    client.post("/auth/register", data=account)
    answer = client.post("/auth/login", query_string={"next": wanted}, data=account)
    assert answer.location == given


def test_writing_needs_a_login(client: t.Any) -> None:
    answer = client.get("/write")
    assert (answer.status_code, answer.location) == (302, "/auth/login?next=/write")
    page = client.get(answer.location)
    assert "Log in first, please." in page.text


def test_a_forged_session_is_nobody(client: t.Any) -> None:
    client.set_cookie("session", "eyJhdXRob3JfaWQiOjF9.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb")
    assert client.get("/write").status_code == 302
    with client.session_transaction() as session:
        session["author_id"] = 99  # signed well, but there is no such author
    assert client.get("/write").status_code == 302


def test_write_edit_delete(client: t.Any) -> None:
    log_in(client)
    answer = write(client, "Bugs & <b>moths</b>", "Found one.\n\nTaped it.")
    assert (answer.status_code, answer.location) == (302, "/post/1")
    page = client.get("/post/1")
    assert "<h1>Bugs &amp; &lt;b&gt;moths&lt;/b&gt;</h1>" in page.text
    assert "grace, <time" in page.text

    assert 'value="Bugs &amp; &lt;b' in client.get("/post/1/edit").text
    page = client.post(
        "/post/1/edit", data={"title": "Moths", "body": "Kept."}, follow_redirects=True
    )
    assert "Saved." in page.text and "<h1>Moths</h1>" in page.text and "Found one" not in page.text

    page = client.post("/post/1/delete", follow_redirects=True)
    assert "“Moths” is gone." in page.text
    assert client.get("/post/1").status_code == 404


def test_a_post_needs_a_title(client: t.Any) -> None:
    log_in(client)
    answer = write(client, " ", "but a text")
    assert answer.status_code == 400
    assert "A post needs a title." in answer.text and "but a text" in answer.text


def test_others_posts_are_theirs(app: t.Any, client: t.Any) -> None:
    log_in(client)
    write(client)
    stranger = app.test_client()
    log_in(stranger, "mallory", "m")
    assert "/post/1/edit" in client.get("/post/1").text
    assert "/post/1/edit" not in stranger.get("/post/1").text
    for answer in (
        stranger.get("/post/1/edit"),
        stranger.post("/post/1/edit", data={"title": "Mine", "body": ""}),
        stranger.post("/post/1/delete"),
    ):
        assert answer.status_code == 403
        assert "This post is someone else&#39;s." in answer.text
    assert "On nets" in client.get("/post/1").text


def test_pages(client: t.Any) -> None:
    log_in(client)
    for number in range(1, 8):
        write(client, f"Number {number}")
    first, second = client.get("/").text, client.get("/?page=2").text
    assert "Number 7" in first and "Number 2" not in first
    assert 'href="/?page=2" rel="next"' in first and 'rel="prev"' not in first
    assert "Number 2" in second and 'href="/?page=1" rel="prev"' in second
    assert client.get("/?page=seven").text == client.get("/").text


def test_a_picture(client: t.Any, tmp_path: Path) -> None:
    log_in(client)
    answer = write(client, **upload(HILLS, "../../hills.exe"))
    page = client.get(answer.location).text
    [kept] = (tmp_path / "pictures").iterdir()
    assert f'src="/pictures/{kept.name}"' in page and kept.suffix == ".png"
    with client.get(f"/pictures/{kept.name}") as picture:
        assert picture.data == HILLS and picture.mimetype == "image/png"
    assert client.get("/pictures/../blog.sqlite").status_code == 404

    client.post("/post/1/edit", data={"title": "T", "body": "", **upload(b"GIF89a", "a")})
    [newer] = (tmp_path / "pictures").iterdir()
    assert newer.suffix == ".gif"
    client.post("/post/1/edit", data={"title": "T", "body": "", **upload(b"", "")})
    assert f"/pictures/{newer.name}" in client.get("/post/1").text  # no upload: the old stays
    client.post("/post/1/delete")
    assert not list((tmp_path / "pictures").iterdir())


def test_what_is_not_a_picture(client: t.Any, tmp_path: Path) -> None:
    log_in(client)
    answer = write(client, **upload(b"#!/bin/sh", "fine.png"))
    assert answer.status_code == 400 and "A picture is a PNG" in answer.text
    assert not list((tmp_path / "pictures").iterdir())


def test_too_large(client: t.Any) -> None:
    log_in(client)
    answer = write(client, **upload(HILLS.ljust(LIMIT), "hills.png"))
    assert answer.status_code == 413
    assert "Request Entity Too Large" in answer.text and "Marginalia" in answer.text


def test_not_found(client: t.Any) -> None:
    answer = client.get("/post/7")
    assert answer.status_code == 404 and "There is no post 7." in answer.text
    answer = client.get("/nowhere")
    assert answer.status_code == 404 and "Not Found · Marginalia" in answer.text
    answer = client.get("/auth/logout")
    assert answer.status_code == 405 and "POST" in answer.headers["Allow"]


def test_broken(blog: Blog, tmp_path: Path) -> None:
    app = blog.create(tmp_path)

    @app.route("/broken")
    async def broken() -> t.NoReturn:
        raise LookupError("the shelf is empty")

    answer = app.test_client().get("/broken")
    assert answer.status_code == 500
    assert "Internal Server Error · Marginalia" in answer.text and "shelf" not in answer.text

    app.testing = True
    with pytest.raises(LookupError, match="shelf"):
        app.test_client().get("/broken")


def test_each_request_opens_and_closes_one_connection(blog: Blog, tmp_path: Path) -> None:
    opened: list[Connection] = []

    class Connection(sqlite3.Connection):
        def __init__(self, *args: t.Any, **options: t.Any) -> None:
            super().__init__(*args, **options)
            opened.append(self)

    client = blog.create(tmp_path, SQLITE={"factory": Connection}).test_client()
    log_in(client)
    opened.clear()
    client.get("/")  # a hook and a view ask for it
    client.get("/post/9")
    assert len(opened) == 2
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
            connection.execute("SELECT 1")


def test_urls_outside_a_request(blog: Blog, app: t.Any) -> None:
    with app.test_request_context("/write"):
        assert blog.framework.request.endpoint == "blog.write"
        assert blog.framework.url_for("blog.show", post_id=3) == "/post/3"
        assert blog.framework.url_for("static", filename="style.css") == "/static/style.css"
        assert blog.framework.url_for("auth.login", _external=True) == "http://localhost/auth/login"


def test_init_db(app: t.Any, client: t.Any, tmp_path: Path) -> None:
    log_in(client)
    runner = app.test_cli_runner()
    again = runner.invoke(args=["init-db", "--sample"])
    assert again.exit_code == 0 and str(tmp_path) in again.output
    assert "Log out" in client.get("/").text  # nothing was lost, nothing added
    assert "Notes in the margin" not in client.get("/").text
    runner.invoke(args=["init-db", "--fresh", "--sample"])
    page = client.get("/").text
    assert "Notes in the margin" in page and "ada, <time" in page
