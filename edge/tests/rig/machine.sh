# Boots systemd as process 1 on a copy of this machine's files, in namespaces of its own: unshare has made them.
# $1: an empty folder; $2: a Python, which the machine has at /opt/python. Its network is this machine's.
set -e
root=$1/root
mount --make-rprivate /
mkdir -p "$1/layers" "$root"
mount -t tmpfs -o mode=755 tmpfs "$1/layers"
mkdir "$1/layers/upper" "$1/layers/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/layers/upper,workdir=$1/layers/work" "$root"
mount -t proc proc "$root/proc"
mount --bind /sys "$root/sys"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
    mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/memory"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
    mount -t cgroup -o memory cgroup "$root/sys/fs/cgroup/memory"
fi
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/.former"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
mkdir -p "$root/opt/python"
mount --bind "$2" "$root/opt/python"
# A Python that is a shared library looks for it where it was installed, which may be a home folder: units see none.
echo /opt/python/lib > "$root/etc/ld.so.conf.d/000-python.conf"
chroot "$root" ldconfig
rm -rf "$root"/etc/systemd/system/* "$root/etc/fstab"
: > "$root/etc/machine-id"
cd "$root/etc/systemd/system"
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n' > machine.target
# What is about hardware, the kernel and the network, which are not the machine's own.
for unit in systemd-{sysctl,modules-load,udevd,udev-trigger,random-seed,remount-fs,update-utmp,hwdb-update,timesyncd}.service \
    systemd-{resolved,networkd,logind,boot-random-seed,binfmt,pstore}.service systemd-udevd-{kernel,control}.socket \
    dev-{hugepages,mqueue}.mount sys-kernel-{debug,tracing,config}.mount sys-fs-fuse-connections.mount \
    proc-sys-fs-binfmt_misc.automount; do
    ln -s /dev/null "$unit"
done
cd "$root"
pivot_root . .former
umount -l /.former
exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=machine.target --log-target=console --show-status=no
