package origin

import "strconv"

// Origin is a place in git. The zero Origin is none.
type Origin struct {
	// File is slash-separated and relative to the root of the artifact; empty where nothing is known.
	File string
	// Line counts from 1; 0 where only the file is known.
	Line int
}

// String writes the place as editors and compilers do, file:line; empty for none.
func (o Origin) String() string {
	if o.File == "" || o.Line == 0 {
		return o.File
	}
	return o.File + ":" + strconv.Itoa(o.Line)
}

// whole is the file without a line.
func (o Origin) whole() Origin { return Origin{File: o.File} }
