set -eu
useradd --create-home --shell /bin/bash --groups sudo debian
printf 'debian ALL=(ALL) NOPASSWD:ALL\n' > /etc/sudoers.d/90-debian
chmod 0440 /etc/sudoers.d/90-debian
install -d -m 0700 -o debian -g debian /home/debian/.ssh
systemctl disable chrony.service containerd.service haproxy.service nftables.service cron.service lynis.timer unattended-upgrades.service
systemctl mask systemd-logind.service systemd-udevd.service systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer getty@.service console-getty.service networking.service
cat > /etc/systemd/system/host-mounts.service <<'UNIT'
[Unit]
Description=Mounts as on a machine of its own
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/mount --make-rshared /
ExecStart=/bin/sh -ec 'for m in /sys/fs/cgroup/*; do if mountpoint -q "$m"; then mount -o remount,bind,rw "$m"; fi; done'

[Install]
WantedBy=sysinit.target
UNIT
systemctl enable host-mounts.service ssh.service
printf 'UseDNS no\n' > /etc/ssh/sshd_config.d/10-host.conf
sed -i '/pam_systemd/d' /etc/pam.d/common-session
rm -rf /etc/apt/apt.conf.d/99mmdebstrap /etc/apt/sources.list.d/* /etc/apt/auth.conf.d/*
printf '# A sandbox host has no way to a mirror; what the bootstrap installs is here already.\n' > /etc/apt/sources.list
rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id /etc/hostname /etc/resolv.conf
rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /var/cache/apt/*.bin /var/log/*.log /var/log/apt/*
