"""The command `quartish digest`: static files with hashed names, and compressed beside themselves.

`app.js` is copied to `app.3f2a9c1b.js`, whose name changes with the file and with what it refers
to; what refers to it in CSS is written anew. Nothing of what was there is changed. Files are read
in pieces, except one that refers to others, which is in memory while it is looked at.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import typing as t
import zlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatch
from functools import partial
from itertools import chain
from pathlib import Path
from urllib.parse import quote
from urllib.parse import unquote

import click

from .._aside import Aside
from .._current import current_app
from .._digests import Manifest
from .._digests import NAME
from .._digests import read_manifest
from .._http.codings import first_importable
from .._precompressed import ENCODINGS
from ..typing import AppLike
from .commands import with_appcontext

LENGTH = 8
"""Hexadecimal digits of a hash in a name."""
PIECE = 262_144
"""Bytes of a file that are read at once."""
COMPRESSED_PIECE = 16_384
"""Bytes of a compressed one, which are many times as much."""
GZIP = 31
"""What zlib calls the format of gzip, with the largest window."""
WORTH = 0.95
"""The share of a file's size that a compressed one may have at most."""
#: Files that are compressed by themselves.
_COMPRESSED = frozenset(
    "7z avif br bz2 flac gif gz heic jpeg jpg jxl m4a m4v mkv mov mp3 mp4 ogg ogv opus pdf png rar"
    " svgz tgz webm webp woff woff2 xz zip zst".split()
)
#: What refers to another file. *Source:* CSS Values 4, 4.5 "Resource Locators"; ECMA-426, 11.
_URL = re.compile(rb"""(?i:\burl)\(\s*(?P<url>[^"'()\s]+)\s*\)""")
_QUOTED = re.compile(rb"""(?i:\burl)\(\s*(?P<q>["'])(?P<url>[^"'\n]+)(?P=q)\s*\)""")
_IMPORT = re.compile(rb"""(?i:@import)\s*(?P<q>["'])(?P<url>[^"'\n]+)(?P=q)""")
_CSS_MAP = re.compile(rb"/\*[#@]\s*sourceMappingURL=(?P<url>[^\s*]+)\s*\*/")
_JS_MAP = re.compile(rb"(?m)^\s*//[#@]\s*sourceMappingURL=(?P<url>\S+)[ \t]*$")
_REFERENCES = {
    ".css": (_URL, _QUOTED, _IMPORT, _CSS_MAP),
    ".js": (_JS_MAP,),
    ".mjs": (_JS_MAP,),
}


#: What a piece is given to, and what gives the rest at the end.
Steps = tuple[Callable[[bytes], bytes], Callable[[], bytes]]


class Coder(t.NamedTuple):
    """One encoding of those in `ENCODINGS`."""

    #: Makes the steps for a file of so many bytes.
    compress: Callable[[int], Steps]
    decompress: Callable[[], Steps]


def coders() -> dict[str, Coder]:
    """Return the encodings that can be written here: gzip, and what else is installed."""
    found = {"gzip": Coder(_gzip, _gunzip)}
    brotli = first_importable("brotli", "brotlicffi")
    if brotli is not None:
        found["br"] = Coder(_brotli(brotli), _unbrotli(brotli))
    # Python has it from 3.14 on.
    zstd = first_importable("compression.zstd", "backports.zstd", "zstandard")
    if zstd is not None:
        found["zstd"] = Coder(_zstd(zstd), _unzstd(zstd))
    return found


def _gzip(size: int) -> Steps:
    made = zlib.compressobj(9, wbits=GZIP)
    return made.compress, made.flush


def _gunzip() -> Steps:
    made = zlib.decompressobj(GZIP)
    return made.decompress, made.flush


def _brotli(library: t.Any) -> Callable[[int], Steps]:
    def steps(size: int) -> Steps:
        made = library.Compressor(quality=11)
        return getattr(made, "process", None) or made.compress, made.finish

    return steps


def _unbrotli(library: t.Any) -> Callable[[], Steps]:
    def steps() -> Steps:
        made = library.Decompressor()
        return getattr(made, "process", None) or made.decompress, bytes

    return steps


def _zstd(library: t.Any) -> Callable[[int], Steps]:
    def steps(size: int) -> Steps:
        # The window of this level is 8 MB: more no browser takes. *Source:* RFC 9659, 3.
        made = library.ZstdCompressor(level=19)
        if hasattr(made, "compressobj"):  # that of the package zstandard
            made = made.compressobj(size=size)
        else:
            made.set_pledged_input_size(size)
        return made.compress, made.flush

    return steps


def _unzstd(library: t.Any) -> Callable[[], Steps]:
    def steps() -> Steps:
        made = library.ZstdDecompressor()
        if hasattr(made, "decompressobj"):
            made = made.decompressobj()
        return made.decompress, bytes

    return steps


def _through(steps: Steps, pieces: Iterable[bytes]) -> Iterator[bytes]:
    step, end = steps
    for piece in pieces:
        yield step(piece)
    yield end()


def _pieces_of(path: Path, size: int = PIECE) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(size):
            yield piece


def _sum_of(pieces: Iterable[bytes]) -> tuple[bytes, int]:
    """Return the SHA-256 of what is in the pieces, and how much that is."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return digest.digest(), size


class Folder:
    """A folder of static files, and what is to be written into it.

    Args:
        path: The folder.
        url: The URL prefix of its files, so that references that begin with it are known.
        excluded: Patterns of paths that are left alone.
    """

    def __init__(self, path: Path, url: str | None = None, excluded: t.Sequence[str] = ()) -> None:
        self.path = path
        self.url = url
        self.excluded = excluded
        self.missing: list[str] = []
        try:
            self.before = read_manifest(str(path))
        except FileNotFoundError:
            self.before = Manifest()
        except ValueError as error:
            raise click.ClickException(
                f"{path / NAME} is not what this command writes ({error}): it is left alone."
            ) from error
        #: Each file's SHA-256, and what it refers to.
        self.files: dict[str, bytes] = dict.fromkeys(sorted(self._find()), b"")
        self.references: dict[str, set[str]] = {name: set() for name in self.files}
        for name in self.files:
            if self._patterns(name):
                content = (path / name).read_bytes()
                self.files[name] = hashlib.sha256(content).digest()
                self.references[name] = self._refer(name, content)
            else:
                self.files[name], _ = _sum_of(_pieces_of(path / name))
        self.names = {name: self._hashed(name) for name in self.files}

    def _find(self) -> t.Iterator[str]:
        made = {name for names in self.before.made.items() for name in (names[0], *names[1])}
        found = set()
        for at, folders, files in os.walk(self.path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for file in files:
                name = (Path(at) / file).relative_to(self.path).as_posix()
                if file.startswith(".") or name == NAME or name in made:
                    continue
                if (self.path / name).is_file():
                    found.add(name)
        for name in found:
            plain, suffix = posixpath.splitext(name)
            beside = suffix in ENCODINGS.values() and plain in found
            if not beside and not any(fnmatch(name, pattern) for pattern in self.excluded):
                yield name

    def _patterns(self, name: str) -> tuple[re.Pattern[bytes], ...]:
        return _REFERENCES.get(posixpath.splitext(name)[1].lower(), ())

    def _target(self, name: str, url: str) -> str | None:
        """Return the file that `name` refers to by `url`; None for one that is elsewhere."""
        path = re.split(r"[?#]", url, maxsplit=1)[0]
        if not path or path.startswith("//") or re.match(r"(?i)[a-z][a-z0-9+.-]*:", path):
            return None
        path = unquote(path)
        if path.startswith("/"):
            if self.url is None or not path.startswith(f"{self.url}/"):
                return None
            path = path[len(self.url) + 1 :]
        else:
            path = posixpath.join(posixpath.dirname(name), path)
        path = posixpath.normpath(path)
        if path not in self.files:
            if not path.startswith("../"):
                self.missing.append(f"{name}: {url}")
            return None
        return path

    def _refer(self, name: str, content: bytes) -> set[str]:
        targets = set()
        for pattern in self._patterns(name):
            for match in pattern.finditer(content):
                url = match["url"].decode("utf-8", "replace")
                target = self._target(name, url)
                if target is not None:
                    targets.add(target)
        return targets

    def _hashed(self, name: str) -> str:
        """Return a file's hashed name: by its content, and that of all it refers to, directly or
        not; so that files may refer to each other."""
        reached, ahead = {name}, [name]
        while ahead:
            for target in self.references[ahead.pop()] - reached:
                reached.add(target)
                ahead.append(target)
        digest = hashlib.sha256()
        for each in [name, *sorted(reached - {name})]:
            digest.update(self.files[each])
        plain, suffix = posixpath.splitext(name)
        return f"{plain}.{digest.hexdigest()[:LENGTH]}{suffix}"

    def _content(self, name: str) -> Callable[[], Iterable[bytes]]:
        """Return what gives the pieces of a file as it is to be written: what it refers to by
        hashed names."""
        path = self.path / name
        if not self._patterns(name):
            return partial(_pieces_of, path)
        content = path.read_bytes()

        def anew(match: re.Match[bytes]) -> bytes:
            url = match["url"].decode("utf-8", "replace")
            target = self._target(name, url)
            if target is None:
                return match[0]
            path, rest = re.fullmatch(r"([^?#]*)(.*)", url, re.DOTALL).groups()  # type: ignore[union-attr]
            last = quote(posixpath.basename(self.names[target]))
            path = f"{path.rpartition('/')[0]}/{last}" if "/" in path else last
            begin, end = match.start("url") - match.start(), match.end("url") - match.start()
            return match[0][:begin] + (path + rest).encode() + match[0][end:]

        for pattern in self._patterns(name):
            content = pattern.sub(anew, content)
        return lambda: [content]

    def make(
        self, name: str, encodings: dict[str, Coder], check: bool
    ) -> Iterator[tuple[str, bool]]:
        """Write what is missing of a file; with `check` nothing. Yield what is to be there, and
        whether it was missing: under its hashed name, and compressed."""
        hashed, content = self.names[name], self._content(name)
        known = _, size = _sum_of(content())
        path = self.path / hashed
        missing = not path.is_file() or _sum_of(_pieces_of(path)) != known
        if missing and not check:
            _write(path, content())
        yield hashed, missing
        if posixpath.splitext(name)[1][1:].lower() in _COMPRESSED:
            return
        for encoding, coder in encodings.items():
            beside, most = hashed + ENCODINGS[encoding], WORTH * size
            path = self.path / beside
            if _holds(path, coder, known):  # to do it again takes long
                if path.stat().st_size <= most:
                    yield beside, False
                continue
            smaller = _through(coder.compress(size), content())
            if sum(map(len, smaller)) <= most if check else _write(path, smaller, most):
                yield beside, True


def _holds(path: Path, coder: Coder, known: tuple[bytes, int]) -> bool:
    """Say whether a file is the compressed one of what is known by its sum and size."""
    if path.is_file():
        with suppress(Exception):  # whatever the library calls a damaged file
            pieces = _pieces_of(path, COMPRESSED_PIECE)
            return _sum_of(_through(coder.decompress(), pieces)) == known
    return False


def _write(path: Path, pieces: Iterable[bytes], most: float = float("inf")) -> bool:
    """Write in one step, as a server may be reading; nothing of what has more than `most` bytes.
    Say whether it was written."""
    aside, size = Aside(path), 0
    try:
        aside.open()
        for piece in pieces:
            size += len(piece)
            if size > most:
                aside.drop()
                return False
            aside.file.write(piece)
    except BaseException:
        aside.drop()
        raise
    aside.keep()
    return True


def digest_folder(
    folder: Folder, check: bool = False, clean: bool = False, tell: Callable[[str], object] = print
) -> int:
    """Write what is missing, and say so; only say so with `check`. Return how much it is.

    Args:
        folder: The folder.
        check: Whether nothing is written.
        clean: Whether what was made of earlier versions is removed.
        tell: What is called with each line.
    """
    manifest, encodings = Manifest(names=dict(folder.names)), coders()
    changes = 0
    for name, hashed in folder.names.items():
        encoded = manifest.made[hashed] = []
        for made, missing in folder.make(name, encodings, check):
            if made != hashed:
                encoded.append(made)
            if missing:
                changes += 1
                tell(f"  {'missing' if check else 'wrote'} {made}")
    wanted = {*manifest.made, *chain.from_iterable(manifest.made.values())}
    for hashed, encoded in folder.before.made.items():
        for name in (hashed, *encoded):
            path = folder.path / name
            if name in wanted or not path.is_file():
                continue
            if not clean:  # pages that are open, and servers that still run, may ask for them
                kept = manifest.made.setdefault(hashed, [])
                if name != hashed:
                    kept.append(name)
                continue
            changes += 1
            tell(f"  {'stale' if check else 'removed'} {name}")
            if not check:
                path.unlink()
    text = json.dumps({"names": manifest.names, "made": manifest.made}, indent=1, sort_keys=True)
    content, path = text.encode() + b"\n", folder.path / NAME
    if check:
        if manifest.names != folder.before.names and not changes:
            changes += 1
            tell(f"  differs {NAME}")
    elif not path.is_file() or path.read_bytes() != content:
        _write(path, [content])
    return changes


@click.command("digest", short_help="Hash the names of static files, and compress them.")
@click.option("--check", is_flag=True, help="Write nothing: end with status 1 if something is due.")
@click.option("--clean", is_flag=True, help="Remove what was made of earlier versions.")
@click.option(
    "--exclude",
    "excluded",
    multiple=True,
    metavar="PATTERN",
    help="Files to leave alone, such as 'uploads/*'; more than once.",
)
@with_appcontext
def digest_command(check: bool, clean: bool, excluded: tuple[str, ...]) -> None:
    """Copy each static file of the app and of its blueprints to a name with a hash of its content,
    and compress it beside itself: gzip, and Brotli and zstandard where these are installed
    ("quartish[codings]"). `url_for("static", filename="app.js")` gives the hashed name then, which
    is served with `Cache-Control: immutable`; not so in debug mode."""
    app = current_app()
    folders: dict[str, str | None] = {}
    for name, scaffold in {"": app, **app.blueprints}.items():
        path = scaffold.static_folder
        if path is not None and os.path.isdir(path):
            folders.setdefault(os.path.abspath(path), _url_of(app, f"{name}.static".lstrip(".")))
    if not folders:
        raise click.ClickException(f"{app.name!r} has no folder of static files.")
    due = 0
    for at, url in folders.items():
        click.echo(at)
        try:
            folder = Folder(Path(at), url, excluded)
            due += digest_folder(folder, check, clean, click.echo)
        except OSError as error:
            raise click.ClickException(str(error)) from error
        for reference in sorted(set(folder.missing)):
            click.echo(f"  not there: {reference}", err=True)
    if check and due:
        raise click.ClickException("The static files have changed: run `quartish digest`.")
    if not due:
        click.echo("Nothing is to be done.")


def _url_of(app: AppLike, endpoint: str) -> str | None:
    """Return the URL prefix of static files, where it has no variables."""
    for rule in app.url_map.iter_rules():
        prefix: str = rule.rule.removesuffix("/<path:filename>")
        if rule.endpoint == endpoint and "<" not in prefix:
            return prefix
    return None
