#!/bin/sh
# install.sh TOOL...: makes sure that the tools are there: installs the
# distribution's packages where it may (root, or sudo that asks nothing), else
# says what to install and fails. Does nothing when all tools are found.
set -eu

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" # where Debian keeps nutcracker

package_of() {
	case "$1" in
	redis-cli | redis-benchmark) echo redis-tools ;;
	promtool) echo prometheus ;;
	*) echo "$1" ;;
	esac
}

packages=""
missing=""
for tool in "$@"; do
	if ! command -v "$tool" >/dev/null 2>&1; then
		missing="$missing $tool"
		packages="$packages $(package_of "$tool")"
	fi
done
[ -n "$missing" ] || exit 0

give_up() {
	echo "missing:$missing" >&2
	echo "Install them, then run this again:" >&2
	echo "  Debian, Ubuntu:  sudo apt-get install$packages" >&2
	echo "  Fedora:          sudo dnf install redis    (bench: nutcracker, from source)" >&2
	echo "  Alpine:          sudo apk add redis        (bench: nutcracker)" >&2
	echo "  macOS:           brew install redis        (bench: twemproxy)" >&2
	exit 1
}

command -v apt-get >/dev/null 2>&1 || give_up
if [ "$(id -u)" = 0 ]; then
	as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
	as_root="sudo -n"
else
	give_up
fi

# RUNLEVEL=1 keeps the packages from starting services of their own where
# init is not systemd; the tests and the demo use ports of their own anyway.
apt_install() {
	# shellcheck disable=SC2086 # lists of words on purpose
	$as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -q --no-install-recommends $packages </dev/null >&2
}

echo "installing:$packages" >&2
# The list of packages is fetched only when the first try fails: it may be
# empty on a fresh machine, or out of date.
apt_install || { $as_root apt-get update -q </dev/null >&2 && apt_install; } || give_up

for tool in $missing; do
	command -v "$tool" >/dev/null 2>&1 || give_up
done
