#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# deploy/container/build.sh [OUTPUT.tar]: a container image of the host's side, made of what the package redoubt holds, without a
# registry and without an engine (docs/packages.md); the default is build/container/redoubt.tar. It is an OCI image layout
# and, in the same file, what `docker load` takes. The same files give the same digest. From the environment, beside what
# deploy/package/stage.sh takes:
#   ROOTS=FILE   certificate authorities, PEM (default: this machine's, /etc/ssl/certs/ca-certificates.crt)
#   NAME         the image's name for docker load (default: redoubt:VERSION)
set -euo pipefail
source_folder=$(cd "$(dirname "$0")/../.." && pwd)
out=$(realpath -m "${1:-$source_folder/build/container/redoubt.tar}")
roots=${ROOTS:-/etc/ssl/certs/ca-certificates.crt}
version=$(sed -n 's/^project(redoubt VERSION \([0-9.]*\).*/\1/p' "$source_folder/CMakeLists.txt")
name=${NAME:-redoubt:$version}
[ -f "$roots" ] || { echo "container: there is no file $roots of certificate authorities; give ROOTS=FILE" >&2; exit 1; }
case $(uname -m) in
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
  *) echo "container: no name for the architecture $(uname -m)" >&2; exit 1 ;;
esac
if [ -z "${REDOUBT:-}" ]; then
  "$source_folder/tools/build" release redoubt >&2
fi
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$source_folder" log -1 --format=%ct 2>/dev/null || echo 1)}
umask 022
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The root: of the package the program, its libraries and their licences; units and their settings are of no use here.
EIF=/nonexistent "$source_folder/deploy/package/stage.sh" "$work/stage" 2>/dev/null
root=$work/stage/redoubt
rm -rf "$root/etc/redoubt" "$root"/usr/lib/{systemd,sysusers.d} "$root"/usr/lib/redoubt/{logs,lifecycle,nsswitch.conf} "$root"/usr/share/{man,bash-completion,redoubt}
mkdir -p "$root"/etc/ssl/certs "$root"/{tmp,proc,dev,sys,run} "$root/var/lib/redoubt"
install -m 644 "$roots" "$root/etc/ssl/certs/ca-certificates.crt"
[ ! -f /usr/share/doc/ca-certificates/copyright ] ||
  install -m 644 /usr/share/doc/ca-certificates/copyright "$root/usr/share/doc/redoubt/libraries/ca-certificates.copyright"
install -m 644 "$source_folder/deploy/host/nsswitch.conf" "$root/etc/nsswitch.conf"
echo 'redoubt:x:10001:10001:Redoubt:/var/lib/redoubt:/nonexistent' >"$root/etc/passwd"
echo 'redoubt:x:10001:' >"$root/etc/group"

# pack OUTPUT FOLDER NAME…: a tar file in which nothing is of this machine.
pack() {
  tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=go-w --format=ustar -C "$2" -cf "$1" "${@:3}"
}
# The user's folder, which is not root's, is a layer of its own.
mkdir -p "$work/state/var/lib"
mv "$root/var/lib/redoubt" "$work/state/var/lib/redoubt"
chmod 700 "$work/state/var/lib/redoubt"
chmod 1777 "$root/tmp"
pack "$work/layer-0" "$root" etc tmp proc dev sys run usr var
tar --mtime="@$SOURCE_DATE_EPOCH" --owner=10001 --group=10001 --numeric-owner --format=ustar -C "$work/state" -cf "$work/layer-1" var/lib/redoubt

# blob FILE: moves it to blobs/sha256/DIGEST; prints the digest.
mkdir -p "$work/image/blobs/sha256"
blob() {
  local digest
  digest=$(sha256sum <"$1" | cut -d' ' -f1)
  mv "$1" "$work/image/blobs/sha256/$digest"
  echo "$digest"
}
size() { stat -c %s "$work/image/blobs/sha256/$1"; }
layer0=$(blob "$work/layer-0")
layer1=$(blob "$work/layer-1")
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
cat >"$work/config" <<JSON
{"created":"$created","architecture":"$architecture","os":"linux","config":{"User":"10001:10001","ExposedPorts":{"8443/tcp":{}},"Env":["PATH=/usr/bin"],"Entrypoint":["/usr/bin/redoubt"],"Cmd":["gateway","--help"],"WorkingDir":"/var/lib/redoubt","StopSignal":"SIGTERM","Labels":{"org.opencontainers.image.title":"redoubt","org.opencontainers.image.version":"$version","org.opencontainers.image.licenses":"Apache-2.0"}},"rootfs":{"type":"layers","diff_ids":["sha256:$layer0","sha256:$layer1"]},"history":[{"created":"$created","created_by":"deploy/container/build.sh"},{"created":"$created","created_by":"deploy/container/build.sh"}]}
JSON
config=$(blob "$work/config")
layer=application/vnd.oci.image.layer.v1.tar
cat >"$work/manifest" <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$config","size":$(size "$config")},"layers":[{"mediaType":"$layer","digest":"sha256:$layer0","size":$(size "$layer0")},{"mediaType":"$layer","digest":"sha256:$layer1","size":$(size "$layer1")}]}
JSON
manifest=$(blob "$work/manifest")
echo '{"imageLayoutVersion":"1.0.0"}' >"$work/image/oci-layout"
cat >"$work/image/index.json" <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:$manifest","size":$(size "$manifest"),"platform":{"architecture":"$architecture","os":"linux"},"annotations":{"io.containerd.image.name":"docker.io/library/$name","org.opencontainers.image.ref.name":"${name##*:}"}}]}
JSON
cat >"$work/image/manifest.json" <<JSON
[{"Config":"blobs/sha256/$config","RepoTags":["$name"],"Layers":["blobs/sha256/$layer0","blobs/sha256/$layer1"]}]
JSON
pack "$out.part" "$work/image" oci-layout index.json manifest.json blobs
mv "$out.part" "$out"
echo "sha256:$manifest"
