package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"

	due "github.com/dobyte/due/v2/crypto"
	"github.com/ethereum/go-ethereum/crypto/ecies"
)

// How a peer encrypts and signs. Keys are PEM as due writes it: PKCS#1 of RSA, PKIX and SEC1 of a curve.
type secrets struct {
	Kind       string `json:"kind"` // rsa, rsa-oaep, rsa-pss, rsa-pkcs or ecc
	PublicKey  string `json:"publicKey"`
	PrivateKey string `json:"privateKey"`
	Label      string `json:"label"`
	S1         string `json:"s1"`
	S2         string `json:"s2"`
}

// Due's crypto/rsa and crypto/ecc cannot be had: this is written from their description, on what they stand on.
func newEncryptor(s *secrets) (due.Encryptor, error) {
	if s.Kind == "ecc" {
		public, private, err := curveKeys(s)
		if err != nil {
			return nil, err
		}
		return &eccEncryptor{ecies.ImportECDSAPublic(public), ecies.ImportECDSA(private), []byte(s.S1), []byte(s.S2)}, nil
	}
	public, private, err := rsaKeys(s)
	if err != nil {
		return nil, err
	}
	switch s.Kind {
	case "rsa":
		return &rsaEncryptor{public: public, private: private, block: public.Size() - 11}, nil
	case "rsa-oaep":
		block := public.Size() - 2*sha256.Size - 2
		return &rsaEncryptor{public: public, private: private, oaep: true, label: []byte(s.Label), block: block}, nil
	}
	return nil, fmt.Errorf("no encryptor is named %q", s.Kind)
}

type rsaEncryptor struct {
	public  *rsa.PublicKey
	private *rsa.PrivateKey
	oaep    bool
	label   []byte
	block   int
}

func (*rsaEncryptor) Name() string { return "rsa" }

func (e *rsaEncryptor) Encrypt(data []byte) ([]byte, error) {
	return blocks(data, e.block, func(block []byte) ([]byte, error) {
		if e.oaep {
			return rsa.EncryptOAEP(sha256.New(), rand.Reader, e.public, block, e.label)
		}
		return rsa.EncryptPKCS1v15(rand.Reader, e.public, block)
	})
}

func (e *rsaEncryptor) Decrypt(data []byte) ([]byte, error) {
	return blocks(data, e.private.Size(), func(block []byte) ([]byte, error) {
		if e.oaep {
			return rsa.DecryptOAEP(sha256.New(), rand.Reader, e.private, block, e.label)
		}
		return rsa.DecryptPKCS1v15(rand.Reader, e.private, block)
	})
}

// What is made of each block of so many bytes, joined.
func blocks(data []byte, size int, do func([]byte) ([]byte, error)) ([]byte, error) {
	var joined []byte
	for len(data) > 0 {
		block := data[:min(size, len(data))]
		data = data[len(block):]
		done, err := do(block)
		if err != nil {
			return nil, err
		}
		joined = append(joined, done...)
	}
	return joined, nil
}

type eccEncryptor struct {
	public  *ecies.PublicKey
	private *ecies.PrivateKey
	s1, s2  []byte
}

func (*eccEncryptor) Name() string { return "ecc" }

func (e *eccEncryptor) Encrypt(data []byte) ([]byte, error) {
	return ecies.Encrypt(rand.Reader, e.public, data, e.s1, e.s2)
}

func (e *eccEncryptor) Decrypt(data []byte) ([]byte, error) {
	return e.private.Decrypt(data, e.s1, e.s2)
}

// Signs with SHA-256.
func sign(s *secrets, data []byte) ([]byte, error) {
	hash := sha256.Sum256(data)
	if s.Kind == "ecc" {
		_, private, err := curveKeys(s)
		if err != nil {
			return nil, err
		}
		r, t, err := ecdsa.Sign(rand.Reader, private, hash[:])
		return fmt.Appendf(nil, "%s %s", r, t), err
	}
	_, private, err := rsaKeys(s)
	if err != nil {
		return nil, err
	}
	if s.Kind == "rsa-pss" {
		return rsa.SignPSS(rand.Reader, private, crypto.SHA256, hash[:], pss)
	}
	return rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, hash[:])
}

func verify(s *secrets, data, signature []byte) error {
	hash := sha256.Sum256(data)
	if s.Kind == "ecc" {
		public, _, err := curveKeys(s)
		if err != nil {
			return err
		}
		r, t, _ := strings.Cut(string(signature), " ")
		numbers := [2]*big.Int{new(big.Int), new(big.Int)}
		for i, text := range []string{r, t} {
			if _, ok := numbers[i].SetString(text, 10); !ok {
				return fmt.Errorf("no number: %q", text)
			}
		}
		if !ecdsa.Verify(public, hash[:], numbers[0], numbers[1]) {
			return rsa.ErrVerification
		}
		return nil
	}
	public, _, err := rsaKeys(s)
	if err != nil {
		return err
	}
	if s.Kind == "rsa-pss" {
		return rsa.VerifyPSS(public, crypto.SHA256, hash[:], signature, pss)
	}
	return rsa.VerifyPKCS1v15(public, crypto.SHA256, hash[:], signature)
}

var pss = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}

func rsaKeys(s *secrets) (*rsa.PublicKey, *rsa.PrivateKey, error) {
	public, err := x509.ParsePKCS1PublicKey(der(s.PublicKey))
	if err != nil {
		return nil, nil, err
	}
	private, err := x509.ParsePKCS1PrivateKey(der(s.PrivateKey))
	return public, private, err
}

func curveKeys(s *secrets) (*ecdsa.PublicKey, *ecdsa.PrivateKey, error) {
	public, err := x509.ParsePKIXPublicKey(der(s.PublicKey))
	if err != nil {
		return nil, nil, err
	}
	private, err := x509.ParseECPrivateKey(der(s.PrivateKey))
	return public.(*ecdsa.PublicKey), private, err
}

func der(text string) []byte {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	return block.Bytes
}
