# Sourced by the other scripts: `venv EXTRA` makes .venv if there is none, and installs this checkout
# with that extra into it, unless that was done already.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python

venv() {
    local extra=$1 stamp
    if [ ! -x "$python" ]; then
        local base=${PYTHON:-python3}
        if ! "$base" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
            echo "tbio needs Python 3.10 or newer; set PYTHON to one" >&2
            return 1
        fi
        echo "making a virtual environment in .venv ..." >&2
        "$base" -m venv "$root/.venv"
    fi
    # What is to be installed is in pyproject.toml; a changed one is installed anew.
    stamp=$root/.venv/.installed-$extra
    if ! cmp -s "$root/pyproject.toml" "$stamp"; then
        echo "installing tbio[$extra] ..." >&2
        "$python" -m pip install --quiet --disable-pip-version-check -e "$root[$extra]"
        cp "$root/pyproject.toml" "$stamp"
    fi
}
