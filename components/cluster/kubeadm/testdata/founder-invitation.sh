cluster_invite rbx-cp-1 founder
