// Package issue renders the script with which a host makes an authority and one server certificate.
//
// It is pure. The thing to get wrong: the script runs again whenever an input changes, the connection included, so it makes only what is missing, what no
// longer fits, or what ends soon; else it prints what is there.
package issue

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"havre/components/host/script"
)

// Validity, in days.
const (
	// AuthorityDays is how long the authority's certificate is valid.
	AuthorityDays = 3650
	// CertificateDays is the longest that Apple's systems take from an authority of one's own (https://support.apple.com/en-us/103769).
	CertificateDays = 825
	// RenewDays before the end, a run of the script makes a new certificate.
	RenewDays = 30
)

// Folder on the host. Only root reads it; the authority's key never leaves it.
const Folder = "/etc/havre/authority"

// Args of the script.
type Args struct {
	// Names are the DNS names of the certificate, such as "pictures.example.com" or "*.example.com"; at least one.
	Names []string
	// Generation is 1 or more; another number makes a new certificate at the next run.
	Generation int
	// Folder replaces Folder in tests.
	Folder string
}

var dnsName = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)

// Validate reports everything that is wrong, joined.
func (a Args) Validate() error {
	var errs []error
	if len(a.Names) == 0 {
		errs = append(errs, errors.New("names: none given; give the names under which the server is asked"))
	}
	for i, name := range a.Names {
		if len(name) > 253 || !dnsName.MatchString(name) {
			errs = append(errs, fmt.Errorf("name %q is not a DNS name; give one such as pictures.example.com or *.example.com", name))
		}
		if slices.Contains(a.Names[:i], name) {
			errs = append(errs, fmt.Errorf("name %q is given twice", name))
		}
	}
	if a.Generation < 1 {
		errs = append(errs, fmt.Errorf("generation %d: give 1 or more", a.Generation))
	}
	return errors.Join(errs...)
}

// Script prints one line of JSON with "authority", "certificate" and "key", all PEM. The output is secret.
func Script(a Args) (string, error) {
	if err := a.Validate(); err != nil {
		return "", err
	}
	folder := a.Folder
	if folder == "" {
		folder = Folder
	}
	names := make([]string, len(a.Names))
	for i, name := range a.Names {
		names[i] = "DNS:" + name
	}
	return "folder=" + script.Quote(folder) + "\n" +
		"names=" + script.Quote(strings.Join(names, ",")) + "\n" +
		"generation=" + strconv.Itoa(a.Generation) + "\n" +
		"authority_days=" + strconv.Itoa(AuthorityDays) + "\n" +
		"certificate_days=" + strconv.Itoa(CertificateDays) + "\n" +
		"renew_days=" + strconv.Itoa(RenewDays) + "\n" + body, nil
}

const body = `
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
`
