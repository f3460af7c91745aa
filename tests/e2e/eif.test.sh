#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Enclave images by the command line alone: built, described, signed, verified, damaged and taken apart. What they
# measure is computed a second time by openssl from the parts.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
redoubt="${REDOUBT_BIN:-$root/build/release/bin}/redoubt"
folder=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-eif-XXXXXX")
trap 'rm -rf "$folder"' EXIT
fail() { echo "eif: $*" >&2; [ ! -f "$folder/out" ] || cat "$folder/out" "$folder/err" >&2; exit 1; }
# The command must end with the code given; its output is in $folder/out and $folder/err.
expect() { local want=$1 code=0; shift; "$redoubt" eif "$@" >"$folder/out" 2>"$folder/err" || code=$?; [ "$code" = "$want" ] || fail "$* ended with $code, not $want"; }
said() { grep -hq -- "$1" "$folder/out" "$folder/err" || fail "not said: $1"; }
# A member of the JSON in $folder/out: json 'Measurements.PCR0'.
json() { "$root/tools/node" -e 'let v=JSON.parse(require("fs").readFileSync(process.argv[1],"utf8"));for(const n of process.argv[2].split("."))v=v?.[n];console.log(typeof v==="string"?v:JSON.stringify(v))' "$folder/out" "$1"; }
# SHA384(0^48 ‖ SHA384(the files)), in hexadecimal.
pcr() { { head -c 48 /dev/zero; cat "$@" | openssl dgst -sha384 -binary; } | openssl dgst -sha384 -r | cut -d' ' -f1; }
# Changes a byte at an offset (from the end, if negative) of a file.
damage() {
    local at=$2 byte
    [ "$at" -ge 0 ] || at=$(($(stat -c %s "$1") + at))
    byte=$(($(od -An -tu1 -j "$at" -N 1 "$1") ^ 1))
    printf "\\x$(printf %02x "$byte")" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}
cd "$folder"

# Parts of some size; the kernel has a bzImage's header with a version.
head -c 3000000 /dev/urandom >kernel
printf 'HdrS' | dd of=kernel bs=1 seek=514 conv=notrunc status=none
printf '\x00\x03' | dd of=kernel bs=1 seek=526 conv=notrunc status=none
printf '6.12.38-redoubt (builder) #1\0' | dd of=kernel bs=1 seek=1280 conv=notrunc status=none
head -c 100001 /dev/urandom >init.cpio
head -c 2000003 /dev/urandom >app.cpio
head -c 7 /dev/urandom >more.cpio
printf 'reboot=k panic=30 nomodule console=ttyS0' >cmdline
printf '{"Team": "treasury", "BuildTool": "not this one"}\n' >metadata.json
parts=(--kernel kernel --cmdline "$(cat cmdline)" --ramdisk init.cpio --ramdisk app.cpio --ramdisk more.cpio)
pcr0=$(pcr kernel cmdline init.cpio app.cpio more.cpio)

# build: nitro-cli's sentence and JSON; the same file from the same parts, wherever and whenever.
expect 0 build "${parts[@]}" --metadata metadata.json --name payouts --version 3 --output image.eif
grep -q '^Enclave Image successfully created.$' err || fail "no sentence"
[ "$(json Measurements.HashAlgorithm)" = "Sha384 { ... }" ] || fail "another hash algorithm"
[ "$(json Measurements.PCR0)" = "$pcr0" ] || fail "PCR0 is not that of a second computation"
[ "$(json Measurements.PCR1)" = "$(pcr kernel cmdline init.cpio)" ] || fail "PCR1 is not that of a second computation"
[ "$(json Measurements.PCR2)" = "$(pcr app.cpio more.cpio)" ] || fail "PCR2 is not that of a second computation"
[ "$(json Measurements.PCR8)" = undefined ] || fail "an unsigned image has PCR8"
printf 'reboot=k panic=30 nomodule console=ttyS0\n' >cmdline.txt
expect 0 build --kernel kernel --cmdline-file cmdline.txt --ramdisk init.cpio --ramdisk app.cpio --ramdisk more.cpio --metadata metadata.json --name payouts --version 3 --output again.eif
cmp image.eif again.eif || fail "two builds of the same parts differ"
SOURCE_DATE_EPOCH=1767323045 expect 0 build "${parts[@]}" --output dated.eif
expect 0 describe dated.eif
[ "$(json Metadata.BuildTime)" = 2026-01-02T03:04:05Z ] || fail "SOURCE_DATE_EPOCH is not the build time"
[ "$(json Measurements.PCR0)" = "$pcr0" ] || fail "metadata is measured"
SOURCE_DATE_EPOCH=yesterday expect 2 build "${parts[@]}" --output no.eif
[ ! -e no.eif ] || fail "a refused build leaves a file"

# describe: nitro-cli's members, in its order.
expect 0 describe image.eif
[ "$("$root/tools/node" -e 'console.log(Object.keys(JSON.parse(require("fs").readFileSync("out","utf8"))).join())')" = \
    EifVersion,Measurements,IsSigned,CheckCRC,ImageName,ImageVersion,Metadata ] || fail "other members than nitro-cli's"
for pair in EifVersion=4 IsSigned=false CheckCRC=true ImageName=payouts ImageVersion=3 Metadata.BuildTool=redoubt \
    Metadata.KernelVersion=6.12.38-redoubt Metadata.BuildTime=1970-01-01T00:00:00Z Metadata.Team=treasury "Metadata.DockerInfo={}"; do
    [ "$(json "${pair%%=*}")" = "${pair#*=}" ] || fail "$pair is not described"
done

# verify: whole, and the one expected; otherwise 1 and a sentence.
expect 0 verify image.eif
said 'nothing was pinned'
expect 0 verify image.eif --pcr0 "$pcr0" --pcr2 "$(pcr app.cpio more.cpio)"
said '^verified$'
expect 1 verify image.eif --pcr0 "$(pcr cmdline)"
said '^PCR0 .*failed .*expected'
expect 1 verify image.eif --pcr8 "$pcr0"
said 'no signature of it holds'
expect 2 verify image.eif --pcr0 1234
# A pin of an unset variable is an error; one part of an image is not the image.
for pin in --pcr0 --pcr1 --pcr2 --pcr8 --signing-certificate; do expect 2 verify image.eif "$pin" ""; done
expect 0 verify image.eif --pcr2 "$(pcr app.cpio more.cpio)"
said 'nothing was pinned'
expect 0 verify image.eif --pcr1 "$(pcr kernel cmdline init.cpio)" --json
[ "$(json pinned)" = false ] || fail "PCR1 alone pins an image"
expect 0 verify image.eif --pcr1 "$(pcr kernel cmdline init.cpio)" --pcr2 "$(pcr app.cpio more.cpio)"
said '^verified$'
expect 1 verify missing.eif

# sign: PCR8 is the certificate's; the other measurements stay.
certificate() { # NAME CURVE SUBJECT
    openssl ecparam -name "$2" -genkey -out "$1.key" 2>/dev/null
    openssl req -new -x509 -key "$1.key" -out "$1.pem" -subj "$3" -sha384 -days 30 2>/dev/null
}
certificate release secp384r1 "/C=DE/O=Treasury/CN=release"
certificate other secp384r1 "/CN=other"
certificate small prime256v1 "/CN=small"
openssl x509 -in release.pem -outform DER -out release.der
pcr8=$(pcr release.der)
cp image.eif signed.eif
expect 0 sign signed.eif --private-key release.key --signing-certificate release.pem
[ "$(json Measurements.PCR0)" = "$pcr0" ] && [ "$(json Measurements.PCR8)" = "$pcr8" ] || fail "a signed image measures something else"
[ "$(stat -c %s signed.eif)" -gt "$(stat -c %s image.eif)" ] || fail "there is no signature in the file"
expect 0 verify signed.eif --pcr0 "$pcr0" --pcr8 "$pcr8"
expect 0 verify signed.eif --signing-certificate release.pem --json
[ "$(json ok)" = true ] || fail "not ok"
expect 1 verify signed.eif --signing-certificate other.pem
said 'another certificate'
expect 1 verify image.eif --signing-certificate release.pem
said 'not signed'
expect 0 describe signed.eif
for pair in IsSigned=true SignatureCheck=true CheckCRC=true "Measurements.PCR8=$pcr8" SigningCertificate.Algorithm=ecdsa-with-SHA384 \
    SigningCertificate.IssuerName.commonName=release SigningCertificate.IssuerName.countryName=DE; do
    [ "$(json "${pair%%=*}")" = "${pair#*=}" ] || fail "$pair is not described"
done
[ "$(json SigningCertificate.NotAfter)" = "$(openssl x509 -in release.pem -noout -enddate | cut -d= -f2)" ] || fail "another end date than openssl's"

# Signed at once, and anew by somebody else; not with a wrong key, certificate or curve.
expect 0 build "${parts[@]}" --output once.eif --private-key release.key --signing-certificate release.pem
[ "$(json Measurements.PCR8)" = "$pcr8" ] || fail "a build that signs has another PCR8"
expect 0 verify once.eif --pcr0 "$pcr0" --pcr8 "$pcr8"
expect 0 sign once.eif --private-key other.key --signing-certificate other.pem --output twice.eif
expect 0 verify twice.eif --pcr0 "$pcr0" --signing-certificate other.pem
expect 0 verify once.eif --signing-certificate release.pem
cp image.eif before.eif
expect 1 sign image.eif --private-key other.key --signing-certificate release.pem
said 'not of this private key'
expect 1 sign image.eif --private-key small.key --signing-certificate small.pem
said 'P-384'
expect 2 sign image.eif --private-key release.key
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha384\npolicy=p\n[p]\ncommonName=supplied\n' >ca.conf
: >index
echo 01 >serial
openssl req -new -key release.key -subj /CN=past -out past.csr 2>/dev/null
openssl ca -batch -config ca.conf -selfsign -keyfile release.key -in past.csr -startdate 20200101000000Z -enddate 20200102000000Z \
    -notext -out past.pem 2>/dev/null
expect 1 sign image.eif --private-key release.key --signing-certificate past.pem
said 'has expired'
cmp image.eif before.eif || fail "a refused signature changes the file"

# A byte changed in the last ramdisk (which is measured, and before the signature), in the metadata, at the end.
size=$(stat -c %s image.eif)
cp signed.eif changed.eif; damage changed.eif $((size - 1))
expect 1 verify changed.eif --pcr0 "$pcr0" --pcr8 "$pcr8"
said '^checksum .*failed'; said '^signature .*failed .*another image'; said '^PCR0 .*failed'; said '^PCR8 .*failed'
expect 0 describe changed.eif
[ "$(json CheckCRC)" = false ] && [ "$(json SignatureCheck)" = false ] || fail "a changed image is described as whole"
expect 1 sign changed.eif --private-key release.key --signing-certificate release.pem
said 'checksum'
cp signed.eif changed.eif; damage changed.eif -1
expect 1 verify changed.eif --pcr0 "$pcr0"
said '^checksum .*failed'; said '^signature .*failed'; said '^PCR0 .*ok'
cp signed.eif changed.eif; damage changed.eif "$(grep -abo payouts signed.eif | head -1 | cut -d: -f1)"
expect 1 verify changed.eif --pcr0 "$pcr0" --pcr8 "$pcr8"
said '^checksum .*failed'; said '^signature .*ok'; said '^PCR0 .*ok'; said '^PCR8 .*ok'
cp signed.eif changed.eif; damage changed.eif 3
expect 1 verify changed.eif
said '^structure .*failed .*begin with .eif'
expect 1 describe changed.eif --json
grep -q '"code":"image_invalid"' err || fail "no code"
head -c 1000 signed.eif >cut.eif
expect 1 verify cut.eif

# extract gives the parts back.
expect 0 extract signed.eif --directory parts/of/it
cmp parts/of/it/kernel kernel && cmp parts/of/it/cmdline cmdline && cmp parts/of/it/ramdisk-0 init.cpio &&
    cmp parts/of/it/ramdisk-1 app.cpio && cmp parts/of/it/ramdisk-2 more.cpio || fail "other parts than went in"
[ ! -e parts/of/it/ramdisk-3 ] && [ -s parts/of/it/signature.cbor ] || fail "other files than parts"
cp parts/of/it/metadata.json out
[ "$(json ImageName)" = payouts ] && [ "$(json CustomMetadata.Team)" = treasury ] || fail "other metadata"
expect 0 build --kernel parts/of/it/kernel --cmdline-file parts/of/it/cmdline --ramdisk parts/of/it/ramdisk-0 --ramdisk parts/of/it/ramdisk-1 \
    --ramdisk parts/of/it/ramdisk-2 --arch aarch64 --output rebuilt.eif
[ "$(json Measurements.PCR0)" = "$pcr0" ] || fail "the parts measure something else"

# An extraction that fails in its middle leaves nothing, neither files nor the folders that it made.
mkdir -p taken/ramdisk-1/by/another
echo other >taken/other
expect 1 extract signed.eif --directory taken
[ "$(find taken -type f)" = taken/other ] && [ -d taken/ramdisk-1/by/another ] || fail "a failed extraction leaves $(find taken -type f | tr '\n' ' ')"
name=$(printf 'x%.0s' $(seq 254)) # 16 of them: ramdisk-2.new is the longest name that a path has room for
expect 1 extract signed.eif --directory "new/$name/$name/$name/$name/$name/$name/$name/$name/$name/$name/$name/$name/$name/$name/$name/${name:4}"
[ ! -e new ] || fail "a failed extraction leaves its folders"

# An uncompressed ramdisk that another follows is filled up to where Linux finds that one, and measured so.
printf '070701abc' >plain.cpio
expect 0 build --kernel kernel --cmdline "$(cat cmdline)" --ramdisk plain.cpio --ramdisk plain.cpio --output filled.eif
cp out built
expect 0 extract filled.eif --directory filled
[ "$(stat -c %s filled/ramdisk-0) $(stat -c %s filled/ramdisk-1)" = "12 9" ] && cmp -n 9 filled/ramdisk-0 plain.cpio || fail "the first ramdisk is not filled up"
cp built out
[ "$(json Measurements.PCR0)" = "$(pcr kernel cmdline filled/ramdisk-0 filled/ramdisk-1)" ] || fail "something else is measured than the file's bytes"

# A file that is cut off while it is read is an error, whenever it happens.
head -c 40000000 /dev/zero >large
expect 0 build --kernel large --cmdline x --ramdisk init.cpio --output large.eif
for pause in 0 0.01 0.02 0.03 0.04 0.06 0.08 0.1 0.15 0.2; do
    cp large.eif cut.eif
    "$redoubt" eif verify cut.eif >out 2>err & reader=$!
    sleep "$pause"
    truncate -s 0 cut.eif
    code=0; wait "$reader" || code=$?
    [ "$code" -le 1 ] || fail "reading an image that is cut off after $pause s ended with $code"
done

# The command line is text or a file, not both, not guessed.
expect 2 build --kernel kernel --ramdisk init.cpio --output no.eif
expect 2 build "${parts[@]}" --cmdline-file cmdline --output no.eif
expect 0 build --kernel kernel --cmdline cmdline.txt --ramdisk init.cpio --output named.eif
expect 0 extract named.eif --directory named
[ "$(cat named/cmdline)" = cmdline.txt ] || fail "a command line was taken for a file's name"

# What no kernel takes.
expect 1 build --kernel kernel --cmdline "$(head -c 2048 /dev/zero | tr '\0' x)" --ramdisk init.cpio --output no.eif
said '2047'
: >empty
expect 1 build --kernel kernel --cmdline x --ramdisk empty --output no.eif
printf '[1]' >list.json
expect 1 build "${parts[@]}" --metadata list.json --output no.eif
said 'JSON object'
[ ! -e no.eif ] || fail "a refused build leaves a file"
echo "eif: ok"
