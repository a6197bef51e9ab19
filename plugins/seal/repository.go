package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealdoc"
)

// load reads the configuration that is for a file or a folder.
func (o *options) load(path string) (*sealconfig.Config, error) {
	file := o.config
	if file == "" {
		var err error
		file, err = sealconfig.Find(path)
		if errors.Is(err, fs.ErrNotExist) { // a file from elsewhere is sealed for the repository that one works in
			file, err = sealconfig.Find(".")
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w; pin the certificate to seal with: init --cert FILE", err)
		} else if err != nil {
			return nil, err
		}
	}
	return sealconfig.Load(file)
}

// how is how the secrets of a file are sealed.
type how struct {
	sealer *sealdoc.Sealer
	scope  seal.Scope
	// name is the certificate's in the configuration.
	name string
}

// sealer reads the certificate that the configuration pins for a file, which need not be there.
func (o *options) sealer(path string, stderr io.Writer) (*how, error) {
	config, err := o.load(path)
	if err != nil {
		return nil, err
	}
	choice, err := config.For(path)
	if err != nil {
		return nil, err
	}
	cert, err := config.Read(choice.Certificate)
	if err != nil {
		return nil, err
	}
	if cert.Expired(time.Now()) && !o.warned[cert.Fingerprint] {
		o.warned[cert.Fingerprint] = true
		warn(stderr, "certificate %q expired on %s. Controllers go on opening what it seals, but kubeseal refuses it; make a new one with keygen --rotate",
			choice.Certificate.Name, cert.NotAfter.Format(time.DateOnly))
	}
	namespace := choice.Namespace
	switch given := o.namespace(); {
	case given == "":
	case namespace != "" && given != namespace:
		return nil, fmt.Errorf("-n is %s, but the rule %s of %s is for namespace %s", given, choice.Rule, sealconfig.FileName, namespace)
	default:
		namespace = given
	}
	return &how{sealer: &sealdoc.Sealer{Certificate: cert, Namespace: namespace}, scope: choice.Scope, name: choice.Certificate.Name}, nil
}
