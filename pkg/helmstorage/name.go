package helmstorage

import "fmt"

// Name returns the name of the object that holds a revision of a release: sh.helm.release.v1.RELEASE.vREVISION.
func Name(release string, revision int) string {
	return fmt.Sprintf("sh.helm.release.v1.%s.v%d", release, revision)
}

// Key is the key of a record's Secret that holds the record.
const Key = "release"
