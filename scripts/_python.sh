# Read by the scripts beside it: finds a Python of 3.11 or later and makes environments.

# Bytecode is kept, whatever the environment says: each process that a test starts, and there are
# hundreds, would compile quartish anew, which takes as long as all the rest of its start.
unset PYTHONDONTWRITEBYTECODE

# How pytest shares the tests among processes. A file's tests stay in one: some share what takes
# long to start.
SHARED="-n auto --maxprocesses 4 --dist loadfile"

find_python() {
    for python in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    echo "quartish needs Python 3.11 or later, and there is none on the PATH (set PYTHON)." >&2
    return 1
}

# find_version 3.x: the Python of that version, on the PATH or of pyenv, if there is one.
find_version() {
    for python in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        if "$python" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    return 1
}

# venv FOLDER WHAT: make the environment FOLDER unless it is there, install WHAT (editable)
# unless pyproject.toml is the one it was last installed from.
venv() {
    stamp="$1/installed-from"
    if [ ! -x "$1/bin/python" ]; then
        python="$(find_python)"
        echo "Making $1 with $python"
        "$python" -m venv "$1"
    fi
    if ! cmp -s pyproject.toml "$stamp"; then
        echo "Installing $2 into $1"
        "$1/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$2"
        cp pyproject.toml "$stamp"
    fi
}

# bounded SECONDS COMMAND...: run it, and end it after that time (where `timeout` is installed).
bounded() {
    if command -v timeout >/dev/null; then
        timeout --kill-after=30 "$@"
    else
        shift
        "$@"
    fi
}
