#!/usr/bin/env bash
# The README's two commands on a machine that has never seen this project.
#
#     tests/fresh.sh             # demo, then tests
#     tests/fresh.sh demo        # one of them
#
# A clone of HEAD in an empty folder, an empty HOME, empty caches, and a PATH of
# symbolic links to git, python3, a C compiler with its linker, and small POSIX
# tools: no nox, no cmake, no HDF5. As root, all of it runs as a user made for this.
# Only what tells pip where packages come from is taken over from the caller.
# H5CALIB_FRESH_PYTHON chooses the Python (default: the first of PATH).
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
python=$(realpath "$("${H5CALIB_FRESH_PYTHON:-python3}" -c 'import sys; print(sys.executable)')")
place=$(mktemp -d "${TMPDIR:-/tmp}/h5calib-fresh.XXXXXX")
user=h5calib-fresh-$$
clean_up() {
    if [ "$(id -u)" -eq 0 ] && id "$user" >/dev/null 2>&1; then
        pkill -KILL -u "$user" || true # an interrupted run may have left some
        userdel "$user" || true
    fi
    rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# Whoever runs it: the new user, or, without the right to make one, the caller.
if [ "$(id -u)" -eq 0 ]; then
    useradd --no-create-home --home-dir "$place/home" --shell /bin/bash "$user"
    as_user=(setpriv --reuid="$user" --regid="$user" --clear-groups)
    # a Python in root's home is not for this user (env: setpriv itself may still do more)
    if ! "${as_user[@]}" env "$python" -c 'import venv' 2>/dev/null; then
        python=$(realpath /usr/bin/python3)
    fi
else
    as_user=()
fi

mkdir -p "$place"/{home,tmp,bin}

# PATH: these and nothing else. as and ld are what a compiler calls; some Pythons ask for it by
# the long name of its machine.
machine=$(cc -dumpmachine 2>/dev/null || true)
tools="git cc gcc clang as ld ar ranlib nm strip $machine-gcc $machine-ar
    awk basename bash cat chmod cp cut date dirname env expr false find grep head id ln ls mkdir
    mktemp mv pwd readlink realpath rm rmdir sed sh sleep sort tail tar test touch tr true uname wc xargs"
for tool in $tools; do
    found=$(type -P "$tool" || true)
    [ -z "$found" ] || ln -s "$(realpath "$found")" "$place/bin/$tool"
done
ln -s "$python" "$place/bin/python3"
path="$place/bin"
for tool in nox cmake ninja make h5dump h5ls h5cc pip; do
    if PATH="$path" type -P "$tool" >/dev/null; then
        echo "fresh.sh: $tool is in the PATH that must not have it" >&2
        exit 2
    fi
done

# What pip needs to find packages: its own configuration, and certificates.
kept=()
while IFS= read -r line; do kept+=("$line"); done < <(
    env | grep -E '^(PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|CERT|TRUSTED_HOST|DEFAULT_TIMEOUT|NO_INDEX)|(https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE)=' || true
)
for file in "${PIP_CONFIG_FILE:-}" "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf" "$HOME/.pip/pip.conf"; do
    if [ -f "$file" ]; then
        mkdir -p "$place/home/.config/pip"
        install -m 600 "$file" "$place/home/.config/pip/pip.conf"
        break
    fi
done

git clone --quiet --no-hardlinks "$repository" "$place/clone"
[ "$(id -u)" -ne 0 ] || chown -R "$user" "$place"
chmod 755 "$place"

fresh() {
    "${as_user[@]}" env -i "${kept[@]}" PATH="$path" HOME="$place/home" TMPDIR="$place/tmp" \
        PIP_CACHE_DIR="$place/home/.cache/pip" LANG=C.UTF-8 "$@"
}

cd "$place/clone"
echo "user $(fresh id -un), $(fresh python3 --version), $(fresh git --version), $(fresh cc --version | head -n 1)"
echo "clone of $(git -C "$repository" rev-parse --short HEAD) in an empty folder; home and caches are empty"
status=0
for session in "${@:-demo tests}"; do
    for one in $session; do
        echo "---- python3 noxfile.py -s $one"
        code=0
        start=$SECONDS
        fresh python3 noxfile.py -s "$one" || code=$?
        echo "---- python3 noxfile.py -s $one: exit code $code after $((SECONDS - start)) s"
        [ "$code" -eq 0 ] || status=1
    done
done
exit "$status"
