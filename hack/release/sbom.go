package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// writeSBOM lists what is inside a program, as the linker recorded it there: the modules with the checksums that go.sum
// holds for them, and Go's standard library.
func writeSBOM(w io.Writer, program string, binary []byte, info *debug.BuildInfo, s stamp) error {
	sum := sha256.Sum256(binary)
	self := cyclonedx.Component{
		BOMRef: goPackage(module, s.version), Type: cyclonedx.ComponentTypeApplication,
		Name: program, Version: s.version, PackageURL: goPackage(module, s.version),
		Hashes:   &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
		Licenses: &cyclonedx.Licenses{{License: &cyclonedx.License{ID: license}}},
		ExternalReferences: &[]cyclonedx.ExternalReference{
			{Type: cyclonedx.ERTypeVCS, URL: homepage, Comment: "commit " + s.commit},
		},
	}
	version := strings.TrimPrefix(info.GoVersion, "go")
	parts := []cyclonedx.Component{{
		BOMRef: goPackage("std", version), Type: cyclonedx.ComponentTypeLibrary, Name: "std", Version: version,
		PackageURL: goPackage("std", version), Scope: cyclonedx.ScopeRequired, Description: "Go's standard library",
	}}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		digest, err := moduleSum(dep)
		if err != nil {
			return err
		}
		parts = append(parts, cyclonedx.Component{
			BOMRef: goPackage(dep.Path, dep.Version), Type: cyclonedx.ComponentTypeLibrary, Name: dep.Path, Version: dep.Version,
			PackageURL: goPackage(dep.Path, dep.Version), Scope: cyclonedx.ScopeRequired,
			Hashes: &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: digest}},
		})
	}
	inside := make([]string, 0, len(parts))
	for _, part := range parts {
		inside = append(inside, part.BOMRef)
	}
	bom := cyclonedx.NewBOM()
	bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceOID, sum[:]).URN()
	bom.Metadata = &cyclonedx.Metadata{
		Timestamp:  s.time.Format(time.RFC3339),
		Lifecycles: &[]cyclonedx.Lifecycle{{Phase: cyclonedx.LifecyclePhaseBuild}},
		Component:  &self,
	}
	bom.Components = &parts
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: self.BOMRef, Dependencies: &inside}}
	encoder := cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON)
	encoder.SetPretty(true).SetEscapeHTML(false)
	// What reads SBOMs is behind: this version of the format is the newest that most of it knows.
	return encoder.EncodeVersion(bom, cyclonedx.SpecVersion1_6)
}

// goPackage is a package URL.
func goPackage(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}

// moduleSum is the SHA-256 that a line of go.sum has of a module, in hexadecimal digits.
func moduleSum(m *debug.Module) (string, error) {
	encoded, ok := strings.CutPrefix(m.Sum, "h1:")
	sum, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(sum) != sha256.Size {
		return "", fmt.Errorf("the module %s %s was built in with the checksum %q, which is none: a release takes modules as they are published", m.Path, m.Version, m.Sum)
	}
	return hex.EncodeToString(sum), nil
}
