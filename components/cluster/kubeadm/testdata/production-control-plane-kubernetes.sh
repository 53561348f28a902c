kubernetes_prepare \
  'etcdctl=dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd=https://artifacts.example/v1.36.3/etcdctl' \
  'etcdutl=eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee=https://artifacts.example/v1.36.3/etcdutl' \
  'kubeadm=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=https://artifacts.example/v1.36.3/kubeadm' \
  'kubectl=cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc=https://artifacts.example/v1.36.3/kubectl' \
  'kubelet=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb=https://artifacts.example/v1.36.3/kubelet' <<'EOF'
NODE=rbx-cp-1
ADDRESS=10.80.0.1
POD_CIDR=10.81.1.0/24
CONTROL_PLANE=yes
TAINTS=node-role.kubernetes.io/control-plane:NoSchedule
TOPOLOGY='topology.kubernetes.io/region=fr,topology.kubernetes.io/zone=rbx'
CLUSTER=havre
VERSION=v1.36.3
CONTROL_PLANE_NODES='rbx-cp-1=10.80.0.1 gra-cp-1=10.80.0.2 sbg-cp-1=10.80.0.3'
API_PORT=6443
PROXY_PORT=7443
MESH=10.80.0.0/16
PODS=10.81.0.0/16
SERVICES=10.82.0.0/16
DNS=10.82.0.10
DOMAIN=cluster.local
INTERFACE=wg0
MTU=1420
CNI=bridge
SECRETS_KEY=1
MAX_PODS=110
PAUSE=images.example/pause:3.10.2
EOF
