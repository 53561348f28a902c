package cloudflaresim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority is the certificate authority that vouches for the simulator. It is kept, so that what trusted it before a restart does so after.
type authority struct {
	certificate *x509.Certificate
	text        []byte
	key         *ecdsa.PrivateKey
}

// authorityFile and authorityKey stand in Options.Dir; the key is readable by its owner only.
const (
	authorityFile = "ca.pem"
	authorityKey  = "ca.key"
)

func loadAuthority(dir string) (*authority, error) {
	if dir == "" {
		return newAuthority()
	}
	text, err := os.ReadFile(filepath.Join(dir, authorityFile))
	key, keyErr := os.ReadFile(filepath.Join(dir, authorityKey))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(keyErr, fs.ErrNotExist) {
		a, err := newAuthority()
		if err != nil {
			return nil, err
		}
		return a, a.save(dir)
	}
	if err := errors.Join(err, keyErr); err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	a, err := parseAuthority(text, key)
	if err != nil {
		return nil, fmt.Errorf("certificate authority in %s: %w; remove %s and %s to make a new one", dir, err, authorityFile, authorityKey)
	}
	return a, nil
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "havre sandbox authority"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	return &authority{certificate: certificate, key: key, text: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, nil
}

func parseAuthority(text, key []byte) (*authority, error) {
	block, _ := pem.Decode(text)
	keyBlock, _ := pem.Decode(key)
	if block == nil || keyBlock == nil {
		return nil, errors.New("no PEM block found")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, err
	}
	return &authority{certificate: certificate, key: private, text: text}, nil
}

func (a *authority) save(dir string) error {
	der, err := x509.MarshalECPrivateKey(a.key)
	if err != nil {
		return fmt.Errorf("certificate authority: %w", err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	return errors.Join(write(filepath.Join(dir, authorityKey), key), write(filepath.Join(dir, authorityFile), a.text))
}

// leaf makes a certificate for the simulator's own address.
func (a *authority) leaf(names []string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "havre sandbox Cloudflare"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.certificate.Raw}, PrivateKey: key}, nil
}

// write replaces a file so that a crash leaves the old or the new one, whole; readable by its owner only.
func write(path string, text []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
