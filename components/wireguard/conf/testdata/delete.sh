if [[ -x /usr/local/lib/havre/mesh ]]; then /usr/local/lib/havre/mesh delete; fi
