# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts of this folder: Debian packages that a lock file pins (SHA-256, size, repository, path a line),
# fetched into the user's cache folder and unpacked as a root. Nothing of a package is run, so no root user is needed.
# INPUTS=FILE or FOLDER (image/archive.sh) supplies the packages without a network.
# shellcheck shell=bash

cache=${XDG_CACHE_HOME:-$HOME/.cache}/redoubt
image=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # of the scripts that source this
source_folder=$(dirname "$image")

repository_of_suite() {
  case $1 in *-security) echo debian-security ;; *) echo debian ;; esac
}

# The mirror's URI of a repository, `debian` or `debian-security`, as this machine's own apt configuration has it.
repository() {
  local suite uri codename
  # shellcheck disable=SC2016 # apt's own names
  while read -r uri codename; do
    suite=$(repository_of_suite "$codename")
    case $codename in
      bookworm* | trixie* | forky* | sid | stable* | testing*) [ "$suite" != "$1" ] || { echo "${uri%/}"; return; } ;;
    esac
  done < <(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages')
  echo "image: this machine's apt configuration names no $1 repository; add one, or give INPUTS=ARCHIVE" >&2
  return 1
}

hash_of() { sha256sum <"$1" | cut -d' ' -f1; }

# fetch_packages LOCK: every package of the lock under $cache/packages/HASH.deb, its hash checked.
# Exit code 75 of the shell: the mirror no longer has a pinned version (the archive of a release still does).
fetch_packages() {
  local hash size which path file from inputs=
  local -A mirror=()
  [ -z "${INPUTS:-}" ] || inputs=$(inputs_folder)
  mkdir -p "$cache/packages"
  while read -r hash size which path; do
    file=$cache/packages/$hash.deb
    [ -f "$file" ] && [ "$(stat -c %s "$file")" = "$size" ] && continue
    if [ -n "$inputs" ]; then
      from=$inputs/packages/$hash.deb
      [ -f "$from" ] || { echo "image: $INPUTS lacks $path ($hash)" >&2; exit 1; }
      cp "$from" "$file.part.$$"
    else
      [ -n "${mirror[$which]:-}" ] || mirror[$which]=$(repository "$which")
      if ! curl -fsSL --retry 3 -o "$file.part.$$" "${mirror[$which]}/${path//+/%2B}"; then
        rm -f "$file.part.$$"
        echo "image: the mirror has no $path any more, or cannot be reached." >&2
        echo "image: build with INPUTS=ARCHIVE of the release, or pin anew: image/lock.sh (another PCR0)" >&2
        exit 75
      fi
    fi
    if [ "$(hash_of "$file.part.$$")" != "$hash" ]; then
      rm -f "$file.part.$$"
      echo "image: $path is not the pinned file (SHA-256 $hash)" >&2
      exit 1
    fi
    mv "$file.part.$$" "$file"
  done < <(grep -v '^#' "$1")
}

# The folder of INPUTS, unpacked once if it is an archive.
inputs_folder() {
  if [ -d "$INPUTS" ]; then echo "$INPUTS"; return; fi
  local folder
  folder=$cache/inputs-$(hash_of "$INPUTS")
  if [ ! -d "$folder" ]; then
    rm -rf "$folder.part"
    mkdir -p "$folder.part"
    tar -xf "$INPUTS" -C "$folder.part"
    mv "$folder.part" "$folder"
  fi
  echo "$folder"
}

# unpack_root LOCK ROOT [SKIP-PATTERN]: the lock's packages, unpacked in the lock's order into the new folder ROOT. Links that
# packages' scripts would make are made here.
unpack_root() {
  local hash path folder
  mkdir -p "$2/usr"
  for folder in bin sbin lib lib32 lib64 libx32; do
    mkdir -p "$2/usr/$folder"
    ln -s "usr/$folder" "$2/$folder"
  done
  while read -r hash _ _ path; do
    # shellcheck disable=SC2254 # a pattern
    case $path in ${3:-}) continue ;; esac
    # Twice-read hashes: what is unpacked is what was pinned, whatever happened to the cache since.
    [ "$(hash_of "$cache/packages/$hash.deb")" = "$hash" ] || { echo "image: $path changed in $cache/packages" >&2; exit 1; }
    dpkg-deb --fsys-tarfile "$cache/packages/$hash.deb" | tar -x --keep-directory-symlink --no-same-owner -C "$2"
  done < <(grep -v '^#' "$1")
  [ -e "$2/usr/bin/sh" ] || [ ! -e "$2/usr/bin/dash" ] || ln -s dash "$2/usr/bin/sh"
  [ -e "$2/usr/bin/awk" ] || [ ! -e "$2/usr/bin/mawk" ] || ln -s mawk "$2/usr/bin/awk"
  [ -e "$2/usr/bin/cc" ] || [ ! -e "$2/usr/bin/gcc" ] || ln -s gcc "$2/usr/bin/cc"
  [ -e "$2/usr/bin/c++" ] || [ ! -e "$2/usr/bin/g++" ] || ln -s g++ "$2/usr/bin/c++"
  mkdir -p "$2"/{proc,dev,tmp,sys}
}

# new_root ROOT [SKIP-PATTERN]: a build root of inputs.lock. Same lock, same files.
new_root() {
  fetch_packages "$image/inputs.lock"
  unpack_root "$image/inputs.lock" "$@"
}

# in_root ROOT FOLDER COMMAND…: runs a command in FOLDER of ROOT, without a network, with an environment, host name and
# user that are the same everywhere. As a user other than root it needs user namespaces.
in_root() {
  local root=$1 folder=$2 map=()
  shift 2
  [ "$(id -u)" = 0 ] || map=(--map-root-user)
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare "${map[@]}" --mount --pid --net --uts --fork --kill-child sh -euc '
    root=$1 folder=$2; shift 2
    umask 022
    hostname redoubt
    mount --make-rprivate /
    mount -t proc proc "$root/proc"
    for device in null zero full urandom; do : >"$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
    exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin HOME=/ LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=1 \
      sh -euc "cd \"\$1\"; shift; exec \"\$@\"" sh "$folder" "$@"' sh "$root" "$folder" "$@" </dev/null
}

# Compilers run one build at a time on a machine: this waits for tools/build's lock, and holds it until the shell ends.
take_build_lock() {
  exec 9>"${TMPDIR:-/tmp}/redoubt-build.lock"
  flock 9
}
