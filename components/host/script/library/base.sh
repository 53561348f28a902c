# havre: the base set-up of a host, one function a step. Edit components/host/script/library/base.sh instead.
# shellcheck shell=bash

# In a container the clock, the swap and the modules are the machine's, not ours.
base_container=no
if systemd-detect-virt -cq; then base_container=yes; fi

# base_setup: what is this host's own on standard input, in any order, each on a line: hostname NAME, packages NAME...,
# private-network MAC ADDRESS/LENGTH MTU or none, firewall with the arguments of firewall_set or none, and its rules, in their order, as "rule WORD" each.
base_setup() {
  local lines line rules=()
  declare -A own=()
  # All at once: what runs below may read standard input.
  mapfile -t lines
  for line in "${lines[@]}"; do
    if [[ $line == 'rule '* ]]; then rules+=("${line#* }"); else own[${line%% *}]=${line#* }; fi
  done
  base_hostname "${own[hostname]}"
  read -ra lines <<<"${own[packages]}"
  havre_packages "${lines[@]}"
  base_audit
  base_time
  base_kernel
  base_unused
  base_swap
  base_sshd
  base_journal
  base_security_updates
  read -ra lines <<<"${own[private-network]}"
  base_private_network "${lines[@]}"
  read -ra lines <<<"${own[firewall]}"
  [[ ${lines[0]} == none ]] || firewall_set "${lines[@]}" "${rules[@]}"
}

# base_hostname NAME
base_hostname() {
  havre_file /etc/hostname 0644 <<<"$1"
  [[ $(hostname) == "$1" ]] || hostname "$1"
  { sed '/^127\.0\.1\.1[[:space:]]/d' /etc/hosts; printf '127.0.1.1 %s\n' "$1"; } | havre_file /etc/hosts 0644
  if [[ -d /etc/cloud/cloud.cfg.d ]]; then
    havre_file /etc/cloud/cloud.cfg.d/99-havre.cfg 0644 <<<$'preserve_hostname: true\nmanage_etc_hosts: false'
  fi
}

# Lynis is there for havre audit, which asks for a run and reads it. Debian's daily one tells nobody.
base_audit() {
  [[ $(systemctl is-enabled lynis.timer 2>/dev/null) != enabled ]] || systemctl -q disable --now lynis.timer
}

# chronyd of Debian leaves the clock alone in a container by itself; where it may not even start there, the machine keeps the time.
base_time() {
  systemctl -q enable chrony || [[ $base_container == yes ]]
  if ! systemctl start chrony; then
    [[ $base_container == yes ]] || havre_fail "chrony does not start; see journalctl -u chrony"
    havre_log "chrony does not start in this container, its machine keeps the time"
  fi
}

# The two of inotify are what kubelet and the log readers of a full node need. rp_filter is left alone, the pod network sets its own.
base_kernel() {
  local module
  havre_file /etc/modules-load.d/60-havre.conf 0644 <<<$'br_netfilter\noverlay'
  for module in br_netfilter overlay; do
    modprobe -q "$module" || havre_log "kernel module $module: not loadable here, passed over"
  done
  havre_file /etc/sysctl.d/60-havre.conf 0644 <<'EOF'
net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.default.accept_redirects = 0
net.ipv4.conf.all.accept_source_route = 0
net.ipv4.conf.default.accept_source_route = 0
net.ipv4.conf.all.send_redirects = 0
net.ipv4.conf.default.send_redirects = 0
net.ipv6.conf.all.accept_redirects = 0
net.ipv6.conf.default.accept_redirects = 0
net.core.somaxconn = 16384
net.ipv4.tcp_max_syn_backlog = 8192
net.ipv4.tcp_slow_start_after_idle = 0
net.core.rmem_max = 7500000
net.core.wmem_max = 7500000
fs.protected_fifos = 2
fs.suid_dumpable = 0
kernel.dmesg_restrict = 1
kernel.kptr_restrict = 1
kernel.sysrq = 0
kernel.yama.ptrace_scope = 1
fs.inotify.max_user_instances = 8192
fs.inotify.max_user_watches = 524288
EOF
  havre_sysctl /etc/sysctl.d/60-havre.conf
}

# Kernel modules that nothing here uses and that a packet or a plugged-in device would load by itself, and dumps of memory, which may hold keys.
base_unused() {
  havre_file /etc/modprobe.d/60-havre.conf 0644 < <(printf 'install %s /bin/true\n' dccp sctp rds tipc usb-storage firewire-ohci)
  havre_file /etc/security/limits.d/60-havre.conf 0644 <<<$'* hard core 0\nroot hard core 0'
}

base_swap() {
  [[ $base_container == no ]] || return 0
  swapoff -a
  sed 's/^[^#].*[[:space:]]swap[[:space:]].*/# &/' /etc/fstab | havre_file /etc/fstab 0644
}

# 10 sorts before the 50-cloud-init.conf of the provider's images, and sshd takes the first value it reads. MaxStartups leaves room for a run that opens its
# connections to one host at once; the default of 10:30:100 refuses them at random.
base_sshd() {
  local drop_in=/etc/ssh/sshd_config.d/10-havre.conf
  HAVRE_CHANGED=no
  havre_file "$drop_in" 0644 <<'EOF'
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
X11Forwarding no
AllowAgentForwarding no
LogLevel VERBOSE
MaxAuthTries 4
MaxStartups 64:30:128
LoginGraceTime 30
ClientAliveInterval 30
ClientAliveCountMax 2
Compression no
TCPKeepAlive no
UseDNS no
EOF
  if [[ $HAVRE_CHANGED == yes ]]; then
    mkdir -p /run/sshd
    if ! sshd -t; then
      rm -f "$drop_in"
      havre_fail "sshd refuses its new configuration, which was taken back"
    fi
    systemctl try-reload-or-restart ssh
  fi
  [[ $(sshd -T) == *$'\npasswordauthentication no\n'* ]] || havre_fail "sshd would still take passwords; look for a setting before $drop_in"
}

base_journal() {
  HAVRE_CHANGED=no
  havre_file /etc/systemd/journald.conf.d/60-havre.conf 0644 <<'EOF'
[Journal]
Storage=persistent
SystemMaxUse=2G
SystemKeepFree=1G
MaxRetentionSec=1month
EOF
  [[ $HAVRE_CHANGED == no ]] || systemctl restart systemd-journald
}

# Once a day what Debian's security archive has, and nothing else: its point releases wait for a person. The host is never rebooted by it, all would go in one night.
# Kernels that are no longer booted and packages that were fetched go as well, or they would fill the disk in time.
base_security_updates() {
  havre_file /etc/apt/apt.conf.d/60havre 0644 <<'EOF'
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
APT::Periodic::AutocleanInterval "7";
#clear Unattended-Upgrade::Origins-Pattern;
Unattended-Upgrade::Origins-Pattern { "origin=Debian,codename=${distro_codename}-security,label=Debian-Security"; };
Unattended-Upgrade::Automatic-Reboot "false";
Unattended-Upgrade::Remove-Unused-Kernel-Packages "true";
EOF
}

# base_private_network MAC ADDRESS/LENGTH MTU, or none
base_private_network() {
  local unit=/etc/systemd/system/havre-private-network.service
  if [[ $1 == none ]]; then
    [[ -e $unit ]] || return 0
    systemctl -q disable --now havre-private-network
    rm -f "$unit"
    systemctl daemon-reload
    return 0
  fi
  HAVRE_CHANGED=no
  # The program's sum makes another unit of another program, which is then run.
  havre_file "$unit" 0644 <<EOF
# $(sha256sum </usr/local/lib/havre/private-network)
[Unit]
Description=Address on the private network
Wants=network-pre.target
After=network-pre.target
Before=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/havre/private-network up $*
ExecStop=/usr/local/lib/havre/private-network down $*

[Install]
WantedBy=multi-user.target
EOF
  havre_unit havre-private-network
}
