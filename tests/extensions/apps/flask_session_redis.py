"""Flask-Session, in a real Redis that this app starts, with the lifetimes that Redis keeps."""

from __future__ import annotations

import os
import subprocess
import time
import typing as t

from flask import Flask
from flask import session
from flask_session import Session
from redis import Redis
from redis.exceptions import ConnectionError


def start_redis() -> tuple[subprocess.Popen[bytes], Redis]:
    path = os.path.abspath("redis")
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", path, "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    redis = Redis(unix_socket_path=path)
    for _ in range(200):
        try:
            redis.ping()
        except ConnectionError:
            time.sleep(0.05)
        else:
            break
    return server, redis


def create_app() -> Flask:
    app = Flask(__name__)
    server, redis = start_redis()
    app.extensions["redis"] = server, redis
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=redis, SESSION_KEY_PREFIX="s:")
    Session(app)

    @app.post("/<int:number>")
    def keep(number: int) -> t.Any:
        session["number"] = number
        return {"lives": redis.ttl(f"s:{session.sid}")}

    @app.get("/")
    def show() -> t.Any:
        return {"number": session.get("number"), "lives": redis.ttl(f"s:{session.sid}") > 86400}

    @app.post("/drop")
    def drop() -> t.Any:
        session.clear()
        return ""

    return app


def visit(visitor: t.Any) -> None:
    visitor.get("/")
    visitor.post(f"/{visitor.number}")
    visitor.get("/")
    if visitor.number % 2:
        visitor.post("/drop")
        visitor.get("/")


def finish(app: Flask) -> t.Any:
    server, redis = app.extensions["redis"]
    kept = len(redis.keys("s:*"))
    server.terminate()
    server.wait()
    return {"kept": kept}
