package host

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"

	"golang.org/x/crypto/ssh"
)

// PrivateKey is an Ed25519 key of OpenSSH's format in PKCS#8, which is a third as long; any other text stays as it is. Each command carries its connection in the
// state twice, so the key's length is the largest part of what a resource costs there.
func PrivateKey(text string) string {
	raw, err := ssh.ParseRawPrivateKey([]byte(text))
	if err != nil {
		return text
	}
	key, ok := raw.(*ed25519.PrivateKey)
	if !ok {
		return text
	}
	der, err := x509.MarshalPKCS8PrivateKey(*key)
	if err != nil {
		return text
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
