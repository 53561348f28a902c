folder=/etc/havre/authority
names='DNS:pictures.havre.test,DNS:*.havre.test'
generation=1
authority_days=3650
certificate_days=825
renew_days=30

havre_packages openssl
umask 077
mkdir -p "$folder"
cd "$folder"

days() { echo "$(($1 * 86400))"; }

# Each pair is put in place key last but one, certificate last, and the old certificate goes first: whatever is interrupted leaves no pair that does not match.
put() {
  rm -f "$1.crt"
  mv -f "$1.key.new" "$1.key"
  mv -f "$1.crt.new" "$1.crt"
}

# The authority must outlive every certificate it signs.
if [[ ! -s authority.key || ! -s authority.crt ]] || ! openssl x509 -in authority.crt -noout -checkend "$(days "$certificate_days")" >/dev/null; then
  havre_log "making the authority"
  openssl ecparam -name prime256v1 -genkey -noout -out authority.key.new
  openssl req -x509 -new -sha256 -key authority.key.new -days "$authority_days" -subj "/O=havre/CN=havre edge authority" \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign -out authority.crt.new
  put authority
fi

want="generation $generation names $names"
have=$(cat server.want 2>/dev/null || true)
if [[ ! -s server.key || ! -s server.crt || $have != "$want" ]] ||
  ! openssl x509 -in server.crt -noout -checkend "$(days "$renew_days")" >/dev/null ||
  ! openssl verify -CAfile authority.crt server.crt >/dev/null 2>&1; then
  havre_log "making the certificate for $names"
  rm -f server.want
  openssl ecparam -name prime256v1 -genkey -noout -out server.key.new
  openssl req -new -sha256 -key server.key.new -subj "/O=havre/CN=havre edge" -out server.csr
  cat >server.ext <<EXT
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName=$names
EXT
  serial=$(openssl rand -hex 15)
  openssl x509 -req -sha256 -days "$certificate_days" -in server.csr -CA authority.crt -CAkey authority.key -set_serial "0x1$serial" \
    -extfile server.ext -out server.crt.new 2>/dev/null
  put server
  printf '%s\n' "$want" >server.want
  rm -f server.csr server.ext
fi

# PEM has no character that JSON would need escaped, but its line ends.
pem() { awk '{printf "%s\\n", $0}' "$1"; }
printf '{"authority":"%s","certificate":"%s","key":"%s"}\n' "$(pem authority.crt)" "$(pem server.crt)" "$(pem server.key)"
