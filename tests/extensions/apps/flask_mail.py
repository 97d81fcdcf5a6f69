"""Flask-Mail: messages to a real SMTP server, attachments, many on one connection, signals."""

from __future__ import annotations

import re
import socketserver
import threading
import typing as t

from flask import current_app
from flask import Flask
from flask import request
from flask_mail import BadHeaderError
from flask_mail import email_dispatched
from flask_mail import Mail
from flask_mail import Message


class Smtp(socketserver.StreamRequestHandler):
    """Takes what it is sent, and keeps it by who it is for."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        to = ""
        for line in self.rfile:
            word = line[:4].upper()
            if word == b"RCPT":
                to = line.decode().partition("<")[2].partition(">")[0]
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
                subject = re.search("(?m)^Subject: (.*)\r$", text)
                boxes: dict[str, list[t.Any]] = self.server.boxes  # type: ignore[attr-defined]
                boxes.setdefault(to, []).append([subject and subject[1], text.count("\r\n")])
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


def create_app() -> Flask:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp)
    server.daemon_threads = True
    server.request_queue_size = 100
    server.socket.listen(100)
    boxes = server.boxes = {}  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()

    app = Flask(__name__)
    app.config["MAIL_SERVER"], app.config["MAIL_PORT"] = server.server_address
    app.config["MAIL_DEFAULT_SENDER"] = ("The app", "app@example.com")
    mail = Mail(app)
    sent: list[str] = []
    app.extensions["sent"] = sent

    @email_dispatched.connect_via(app)
    def note(sender: t.Any, message: t.Any) -> None:
        sent.append(f"{current_app.name} {sorted(message.send_to)}")

    @app.post("/one/<who>")
    def one(who: str) -> t.Any:
        message = Message(request.form["subject"], recipients=[who], body="Grüße\n" * 3)
        message.attach("letter.txt", "text/plain", "dear you")
        try:
            mail.send(message)
        except BadHeaderError:
            return {"refused": True}, 400
        return {"box": boxes[who]}

    @app.post("/many/<who>")
    def many(who: str) -> t.Any:
        with mail.connect() as connection:
            for number in range(3):
                connection.send(Message(f"number {number}", [who], html="<b>x</b>"))
        return {"box": boxes[who]}

    return app


def visit(visitor: t.Any) -> None:
    who = f"ada{visitor.number}@example.com"
    visitor.post(f"/one/{who}", {"subject": "hello"})
    visitor.post(f"/one/{who}", {"subject": "hello\nBcc: you"})
    visitor.post(f"/many/{who}")


def finish(app: Flask) -> t.Any:
    return sorted(app.extensions["sent"])
