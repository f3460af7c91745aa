#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# boot_machine.sh ROOT: boots the Debian in ROOT with its own systemd as process 1 of new namespaces: its processes, its network
# (a loopback and nothing else), its control groups. What is killed with this process is the whole machine; it ends with
# its parent, too. Needs root.
# The machine sees this one's files, read-only, under /host: for programs that only tests need (hostProgram of machine.mjs).
set -euo pipefail
root=$1
# Control groups of its own: below one that is made here, of the second version, wherever that is mounted.
groups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$groups" ] || { echo "boot_machine: this machine has no control groups of version 2" >&2; exit 1; }
mkdir "$groups/redoubt-test-$$"
echo $$ >"$groups/redoubt-test-$$/cgroup.procs"
# shellcheck disable=SC2016 # expanded by the inner shell
exec setpriv --pdeathsig KILL unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child bash -euc '
  root=$1
  mount --make-rprivate /
  mount --bind "$root" "$root"
  mkdir -p "$root"/{host,.old}
  mount --bind / "$root/host"
  mount -o remount,bind,ro "$root/host"
  mount -t proc proc "$root/proc"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  for folder in run dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$folder"; done
  mount -t tmpfs tmpfs "$root/tmp"
  for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir "$root"/dev/{pts,shm}
  mount -t tmpfs tmpfs "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  hostname redoubt-test
  ip link set lo up
  cd "$root"
  pivot_root . .old
  exec chroot . /bin/sh -c "umount -l /.old
    exec env -i container=redoubt-test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --log-target=console --show-status=no"
' bash "$root"
