#!/usr/bin/env bash
# Makes a base image with Python 3.11 from Debian packages, where no image registry answers.
# Usage, as root:  scripts/make-base.sh [TAG]      imports it into Docker, default sponge-bench-base:bookworm
#                  scripts/make-base.sh --tar FILE writes the root file system to FILE instead
# Needs debootstrap. DEBIAN_MIRROR names another mirror than http://deb.debian.org/debian.
set -euo pipefail

suite=bookworm
tar_file=
tag="sponge-bench-base:$suite"
if [[ "${1:-}" == --tar ]]; then
    tar_file="${2:?--tar needs a file name}"
elif [[ -n "${1:-}" ]]; then
    tag="$1"
fi

if [[ "$(id -u)" != 0 ]]; then
    echo "make-base.sh: debootstrap needs root" >&2
    exit 1
fi
if ! command -v debootstrap >/dev/null; then
    echo "make-base.sh: debootstrap is missing; on Debian: apt-get install debootstrap" >&2
    exit 1
fi

work="$(mktemp -d "${TMPDIR:-/tmp}/sponge-bench-base.XXXXXX")"
trap 'rm -rf "$work"' EXIT
root="$work/root"
log="$work/debootstrap.log"

if ! debootstrap --variant=minbase --include=python3 "$suite" "$root" \
    "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "make-base.sh: debootstrap failed" >&2
    exit 1
fi
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info}/* \
    "$root"/var/log/* "$root"/dev/* "$root"/proc/* "$root"/sys/*

pack() { tar --create --numeric-owner --sort=name --directory "$root" .; }
if [[ -n "$tar_file" ]]; then
    pack >"$tar_file"
else
    pack | docker import --change 'LABEL sponge-bench=1' --change 'CMD ["python3"]' - "$tag"
fi
