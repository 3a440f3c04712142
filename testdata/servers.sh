#!/bin/sh
# servers.sh DIR [NAME...]: puts other redis-servers than the distribution's under
# DIR/NAME/redis-server, so that a test runs against one of them with
# PATH=DIR/NAME:$PATH. They are Debian's packages of other suites, fetched and
# verified by apt into a root of their own under DIR, with their own C library;
# nothing is installed on the machine and no root is needed.
set -eu

dir=${1:?usage: servers.sh DIR [NAME...]}
shift
[ $# -gt 0 ] || set -- redis-6.0 redis-8.0 valkey-8.0 valkey-8.1
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

for tool in apt-get dpkg-deb; do
	command -v "$tool" >/dev/null || { echo "servers.sh needs $tool: it runs on Debian and its relatives" >&2; exit 1; }
done

# suites names where a server's package is, and where its libraries are.
suites() {
	case "$1" in
	redis-6.0) echo "bullseye" ;;
	redis-8.0) echo "trixie" ;;
	valkey-8.0) echo "bookworm bookworm-backports" ;;
	valkey-8.1) echo "trixie" ;;
	*) echo "servers.sh knows redis-6.0 redis-8.0 valkey-8.0 valkey-8.1, not $1" >&2; exit 1 ;;
	esac
}

fetch() { # NAME: its package, and all that it needs, unpacked into DIR/NAME/root
	name=$1
	package=${name%-*}-server
	apt=$dir/$name/apt
	mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$dir/$name/root"
	list=$(suites "$name")
	for suite in $list; do echo "deb $mirror $suite main"; done >"$apt/sources.list"
	: >"$apt/status"
	set -- -q -o "Dir::State=$apt" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt" \
		-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User= \
		-o Debug::NoLocking=1 -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false
	apt-get "$@" update
	# With an empty status everything is missing: the C library comes too.
	apt-get "$@" install -y --download-only --no-install-recommends -t "${list##* }" "$package"
	for deb in "$apt"/archives/*.deb; do dpkg-deb -x "$deb" "$dir/$name/root"; done
	rm -rf "$apt"
}

wrap() { # NAME: DIR/NAME/redis-server runs it with its own loader and libraries
	root=$dir/$1/root
	# A link to a binary that goes by its name: not to be resolved.
	server=$root/usr/bin/${1%-*}-server
	loader=$(find "$root" -name 'ld-linux-*.so.*' | head -n 1)
	libraries=$(find "$root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd :)
	printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$loader" "$libraries" "$server" >"$dir/$1/redis-server"
	chmod +x "$dir/$1/redis-server"
}

for name in "$@"; do
	if ! [ -x "$dir/$name/redis-server" ]; then
		suites "$name" >/dev/null
		fetch "$name" </dev/null >&2
		wrap "$name"
	fi
	echo "$name: $("$dir/$name/redis-server" --version)"
done
